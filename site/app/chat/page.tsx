import { Suspense } from "react";
import { Chat } from "@/components/chat/Chat";
import styles from "@/components/chat/Chat.module.css";
import { Loading } from "@/components/frame/Loading";

export const metadata = { title: "Chat" };

export default function ChatPage() {
  return (
    <main id="main" tabIndex={-1} className={styles.page}>
      <h1>Chat</h1>
      {/* Which room is in the address, which nobody knows ahead of time. */}
      <Suspense fallback={<Loading />}>
        <Chat />
      </Suspense>
    </main>
  );
}
