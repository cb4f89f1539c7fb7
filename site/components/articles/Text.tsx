import { evaluate } from "@mdx-js/mdx";
import * as runtime from "react/jsx-runtime";
import { nameParagraphs } from "@/lib/anchors";
import { Sidenote } from "./Sidenote";

const COMPONENTS = { Sidenote };

/** An article's MDX, as it is shown. Rendered when the site is built. */
export async function Text({ mdx }: { mdx: string }) {
  const { default: Content } = await evaluate(mdx, { ...runtime, rehypePlugins: [nameParagraphs] });
  return <Content components={COMPONENTS} />;
}
