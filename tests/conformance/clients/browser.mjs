/** Pages in Chromium: `node browser.mjs EXECUTABLE`. */

import { chromium } from "playwright-core";
import { talk, tell } from "./talk.mjs";

const browser = await chromium.launch({
  executablePath: process.argv[2],
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

async function untilAsked(page, expression, timeout_ms) {
  for (const end = Date.now() + timeout_ms; Date.now() < end; await page.waitForTimeout(20)) {
    // On its way to another page there is nobody to ask.
    if (await page.evaluate(expression).catch(() => false)) return;
  }
  throw new Error(`it was not so within ${timeout_ms} ms`);
}

const pages = new Map();
const sockets = new Map();
/** Pages whose policy lets them evaluate no text. They are asked from outside, which is no affair of theirs. */
const strict = new Set();

await talk(
  {
    /** Another page of a browser that is open already is `beside` one of its pages: a tab. */
    async open({
      page: name,
      url,
      beside = null,
      width = 1280,
      height = 800,
      scheme = "light",
      trusting = false,
      scripts = true,
    }) {
      const look = { viewport: { width, height }, colorScheme: scheme };
      const context =
        beside === null
          ? await browser.newContext({ ...look, ignoreHTTPSErrors: trusting, javaScriptEnabled: scripts })
          : pages.get(beside).context();
      const page = await context.newPage();
      const counted = { opened: 0, closed: 0, ranges: 0 };
      pages.set(name, page);
      sockets.set(name, counted);
      page.on("pageerror", (error) => tell(`${name}: error`, String(error)));
      page.on("websocket", (socket) => {
        counted.opened += 1;
        socket.on("close", () => (counted.closed += 1));
        socket.on("framesent", ({ payload }) => (counted.ranges += payload.includes('"endCursor"') ? 1 : 0));
      });
      const policy = (await page.goto(url))?.headers()["content-security-policy"] ?? "";
      if (/(script|default)-src/.test(policy) && !policy.includes("'unsafe-eval'")) strict.add(name);
    },

    /** How many sockets a page has opened and lost, and how often it asked for a page with a given end. */
    sockets: ({ page }) => sockets.get(page),

    evaluate: ({ page, expression }) => pages.get(page).evaluate(expression),

    /** Wait until an expression is true. */
    async until({ page, expression, timeout_ms }) {
      if (strict.has(page)) await untilAsked(pages.get(page), expression, timeout_ms);
      else await pages.get(page).waitForFunction(expression, undefined, { timeout: timeout_ms });
    },

    goto: ({ page, url }) => pages.get(page).goto(url).then(() => null),
    reload: ({ page }) => pages.get(page).reload().then(() => null),
    url: ({ page }) => pages.get(page).url(),
    cookies: ({ page }) => pages.get(page).context().cookies(),

    text: ({ page, selector }) => pages.get(page).locator(selector).allInnerTexts(),
    fill: ({ page, label, text }) => pages.get(page).getByLabel(label).fill(text),
    press: ({ page, key }) => pages.get(page).keyboard.press(key),
    click: ({ page, button }) => pages.get(page).getByRole("button", { name: button }).first().click(),
    choose: ({ page, role, name }) => pages.get(page).getByRole(role, { name }).first().click(),
    type: ({ page, text }) => pages.get(page).keyboard.type(text),
    attach: ({ page, label, files }) => pages.get(page).getByLabel(label).setInputFiles(files),
    unplug: ({ page, unplugged }) => pages.get(page).context().setOffline(unplugged),
    focus: ({ page, label }) => pages.get(page).getByLabel(label).focus(),
    blur: ({ page }) => pages.get(page).evaluate("document.activeElement.blur()"),

    async emulate({ page: name, width, height, scheme }) {
      await pages.get(name).setViewportSize({ width, height });
      await pages.get(name).emulateMedia({ colorScheme: scheme });
    },

    /** A picture of the whole page, or of what is in the window; of another size and scheme if one is given. */
    async screenshot({ page: name, path, width, height, scheme, fullPage = true }) {
      const page = pages.get(name);
      if (width !== undefined) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme: scheme });
      }
      await page.screenshot({ path, fullPage });
    },

    /** A browser is closed with the last of its tabs. */
    async close({ page: name }) {
      const context = pages.get(name).context();
      await pages.get(name).close();
      pages.delete(name);
      strict.delete(name);
      if (context.pages().length === 0) await context.close();
    },
  },
  () => browser.close(),
);
