import { Loading } from "@/components/frame/Loading";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Network" };

export default function NetworkPage() {
  return (
    <Page title="Network">
      <Loading />
    </Page>
  );
}
