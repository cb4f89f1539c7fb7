import { expect, test } from "vitest";
import { Renewal } from "./renewal";

/** Fails so often, and gives a token then. */
function server(failures: number, token: string | null = "token") {
  const asked: boolean[] = [];
  const fetch = async ({ forceRefreshToken }: { forceRefreshToken: boolean }) => {
    asked.push(forceRefreshToken);
    if (asked.length <= failures) throw new TypeError("Failed to fetch");
    return token;
  };
  return { asked, fetch };
}

test("a server that is away is asked until it answers, ever more seldom", async () => {
  const waits: number[] = [];
  const renewal = new Renewal(async (ms) => void waits.push(ms));
  const { asked, fetch } = server(6);
  expect(await renewal.patient(fetch)({ forceRefreshToken: true })).toBe("token");
  expect(asked).toEqual(Array(7).fill(true));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
});

test("that there is no token is an answer", async () => {
  const { asked, fetch } = server(1, null);
  expect(await new Renewal(async () => {}).patient(fetch)({ forceRefreshToken: true })).toBe(null);
  expect(asked).toHaveLength(2);
});

test("whoever asks anew ends the asking before", async () => {
  let goOn = () => {};
  const renewal = new Renewal(() => new Promise((resolve) => (goOn = resolve)));
  const before = server(Infinity);
  const first = renewal.patient(before.fetch)({ forceRefreshToken: true });
  await Promise.resolve();
  expect(await renewal.patient(server(0).fetch)({ forceRefreshToken: false })).toBe("token");
  goOn();
  expect(await first).toBe(null);
  expect(before.asked).toHaveLength(1);
});
