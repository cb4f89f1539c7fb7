import { Page } from "@/components/frame/Page";
import { Network } from "@/components/network/Network";

export const metadata = { title: "Network" };

export default function NetworkPage() {
  return (
    <Page title="Network" lead="The machines behind this site, and how they are just now." wide>
      <Network />
    </Page>
  );
}
