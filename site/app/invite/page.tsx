import { Invite } from "@/components/chat/Invite";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Invitation" };

export default function InvitationPage() {
  return (
    <Page title="Invitation">
      <Invite />
    </Page>
  );
}
