import { Empty } from "@/components/frame/Empty";
import { OnlyFor } from "@/components/frame/OnlyFor";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Moderation" };

export default function ModerationPage() {
  return (
    <Page title="Moderation">
      <OnlyFor standing="owner">
        <Empty>Comments are not moderated here yet.</Empty>
      </OnlyFor>
    </Page>
  );
}
