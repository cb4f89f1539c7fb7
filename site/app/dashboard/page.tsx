import { Loading } from "@/components/frame/Loading";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Dashboard" };

export default function DashboardPage() {
  return (
    <Page title="Dashboard">
      <Loading />
    </Page>
  );
}
