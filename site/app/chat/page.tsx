import { Loading } from "@/components/frame/Loading";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Chat" };

export default function ChatPage() {
  return (
    <Page title="Chat">
      <Loading />
    </Page>
  );
}
