import { Loading } from "@/components/frame/Loading";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Stats" };

export default function StatsPage() {
  return (
    <Page title="Stats">
      <Loading />
    </Page>
  );
}
