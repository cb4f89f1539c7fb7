import { Moderation } from "@/components/comments/Moderation";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Moderation" };

export default function ModerationPage() {
  return (
    <Page title="Moderation">
      <Moderation />
    </Page>
  );
}
