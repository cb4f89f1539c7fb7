import { Dashboard } from "@/components/dashboard/Dashboard";
import { OnlyFor } from "@/components/frame/OnlyFor";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Dashboard" };

export default function DashboardPage() {
  return (
    <Page title="Dashboard" wide>
      <OnlyFor standing="owner">
        <Dashboard />
      </OnlyFor>
    </Page>
  );
}
