import { Loading } from "@/components/frame/Loading";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Invitation" };

export default function InvitationPage() {
  return (
    <Page title="Invitation">
      <Loading />
    </Page>
  );
}
