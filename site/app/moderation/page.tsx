import { Loading } from "@/components/frame/Loading";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Moderation" };

export default function ModerationPage() {
  return (
    <Page title="Moderation">
      <Loading />
    </Page>
  );
}
