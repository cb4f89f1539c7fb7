import { Empty } from "@/components/frame/Empty";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Network" };

export default function NetworkPage() {
  return (
    <Page title="Network">
      <Empty>There is no map yet.</Empty>
    </Page>
  );
}
