import { Calls } from "./Calls";
import { Chat } from "./Chat";
import { Comments } from "./Comments";
import { Connection } from "./Connection";
import { Name } from "./Name";
import { useStored } from "./stored";

export function App() {
  const [name, setName] = useStored("name");
  return (
    <>
      <header>
        <h1>joelclaw</h1>
        <Connection />
        <Name name={name} onChange={setName} />
      </header>
      <main>
        <Comments name={name} />
        <aside>
          <Calls />
          <Chat name={name} />
        </aside>
      </main>
    </>
  );
}
