import Link from "next/link";
import { Page } from "@/components/frame/Page";

export const metadata = { title: "Not here" };

export default function NotFound() {
  return (
    <Page title="There is nothing here" lead="The address may be mistyped, or what was here has moved.">
      <p>
        <Link href="/">All articles</Link> are on the first page.
      </p>
    </Page>
  );
}
