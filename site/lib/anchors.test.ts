import type { Element, Root } from "hast";
import { expect, test } from "vitest";
import { nameParagraphs, slug } from "./anchors";

const text = (value: string) => ({ type: "text" as const, value });

function element(tagName: string, ...children: Element["children"]): Element {
  return { type: "element", tagName, properties: {}, children };
}

function named(...children: Element["children"]): [string, unknown][] {
  const tree: Root = { type: "root", children };
  nameParagraphs()(tree);
  const found: [string, unknown][] = [];
  const walk = (node: { children?: unknown[] }) => {
    for (const child of (node.children ?? []) as Element[]) {
      if (child.properties?.["data-anchor"]) found.push([child.tagName, child.properties["data-anchor"]]);
      walk(child);
    }
  };
  walk(tree);
  return found;
}

test("a paragraph is named by its first words", () => {
  expect(named(element("p", text("So more than one thing is kept, and used.")))).toEqual([
    ["p", "so-more-than-one-thing-is"],
  ]);
});

test("the name stays when the rest of the paragraph, or another paragraph, changes", () => {
  const one = element("p", text("One two three four five six seven"));
  expect(named(element("p", text("Before")), one)[1]).toEqual(["p", "one-two-three-four-five-six"]);
  expect(named(element("p", text("One two three four five six changed")))[0]![1]).toBe("one-two-three-four-five-six");
});

test("two that begin alike are told apart, in their order", () => {
  const names = named(element("p", text("Why?")), element("p", text("Why?"))).map(([, name]) => name);
  expect(names).toEqual(["why", "why-2"]);
});

test("the paragraphs of a list item are named, not the item around them; headings and code are, too", () => {
  const found = named(
    element("h2", text("What was looked at")),
    element("ul", element("li", element("p", text("inside"))), element("li", text("plain"))),
    element("pre", element("code", text("x = 1"))),
  );
  expect(found.map(([tag]) => tag)).toEqual(["h2", "p", "li", "pre"]);
});

test("what is said in a note is not part of the name", () => {
  const note = { type: "mdxJsxTextElement", children: [text("aside")] } as unknown as Element;
  expect(named(element("p", text("Before "), note, text(" after")))[0]![1]).toBe("before-after");
});

test("a paragraph without words is named after what it is", () => {
  expect(named(element("p", text("…")))[0]![1]).toBe("p");
});

test("a name is small letters, digits and dashes, of any script", () => {
  expect(slug("It’s Größe, isn't it?")).toBe("its-große-isnt-it");
  expect(slug("日本語 text")).toBe("日本語-text");
});
