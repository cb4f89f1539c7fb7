import { expect, test } from "vitest";
import { FILE_BYTES_MAX, isPicture, problemOf, size } from "./files";

test("what the server would refuse is refused before it is uploaded", () => {
  const file = (type: string, bytes = 1) => problemOf({ name: "it", size: bytes, type });
  expect(["image/png", "audio/mpeg", "text/plain;charset=utf-8", "application/pdf"].map((type) => file(type))).toEqual([
    null,
    null,
    null,
    null,
  ]);
  for (const type of ["", "text/html", "image/svg+xml", "application/x-msdownload"]) expect(file(type)).toContain("it is no");
  expect(file("image/png", FILE_BYTES_MAX)).toBeNull();
  expect(file("image/png", FILE_BYTES_MAX + 1)).toBe("it is larger than 10 MB.");
  expect(file("image/png", 0)).toBe("it is empty.");
});

test("sizes are said in two digits or so", () => {
  expect([0, 1023, 1024, 1536, 40_000, 1_500_000, 10 * 1024 * 1024].map(size)).toEqual([
    "0 B",
    "1023 B",
    "1 KB",
    "1.5 KB",
    "39 KB",
    "1.4 MB",
    "10 MB",
  ]);
});

test("drawings that may hold scripts are not shown as pictures", () => {
  expect(["image/webp", "image/svg+xml", "text/plain"].map(isPicture)).toEqual([true, false, false]);
});
