import { Page } from "@/components/frame/Page";
import { Stats } from "@/components/stats/Stats";

export const metadata = { title: "Stats" };

export default function StatsPage() {
  return (
    <Page title="Stats" lead="What the machines behind this site have done, as they report it." wide>
      <Stats />
    </Page>
  );
}
