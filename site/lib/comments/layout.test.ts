import { expect, test } from "vitest";
import { stack } from "./layout";

test("notes stand beside their lines where there is room", () => {
  expect(stack([{ at: 0, height: 20 }, { at: 100, height: 20 }], [], 8)).toEqual([0, 100]);
});

test("notes that would overlap stand below each other", () => {
  const wanted = [{ at: 10, height: 50 }, { at: 20, height: 50 }, { at: 30, height: 50 }];
  expect(stack(wanted, [], 8)).toEqual([10, 68, 126]);
});

test("what stands in the margin already is gone around", () => {
  const taken = [{ top: 40, bottom: 60 }, { top: 70, bottom: 90 }];
  expect(stack([{ at: 0, height: 20 }, { at: 30, height: 20 }], taken, 8)).toEqual([0, 98]);
});

test("no two things overlap, whatever the heights", () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  let state = seed;
  const below = (limit: number) => (state = (state * 48_271 + 11) % 2_147_483_647) % limit;
  for (let round = 0; round < 200; round += 1) {
    const wanted = Array.from({ length: below(20) }, () => ({ at: below(800), height: 1 + below(90) }));
    wanted.sort((a, b) => a.at - b.at);
    const taken = [{ top: 100, bottom: 180 }, { top: 400, bottom: 420 }];
    const tops = stack(wanted, taken, 4);
    const bands = [...taken, ...tops.map((top, i) => ({ top, bottom: top + wanted[i]!.height }))];
    bands.sort((a, b) => a.top - b.top);
    bands.slice(1).forEach((band, i) => expect(band.top).toBeGreaterThanOrEqual(bands[i]!.bottom + 4));
    tops.forEach((top, i) => expect(top).toBeGreaterThanOrEqual(wanted[i]!.at));
  }
});
