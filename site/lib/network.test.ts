import { expect, test } from "vitest";
import { described, label, layout, type Machine } from "./network";

function machine(id: string, runsOn: string | null = null, more: Partial<Machine> = {}): Machine {
  const kind = runsOn === null ? "node" : "pod";
  return { id, name: id, kind, state: "ready", runsOn, old: false, detail: "", ...more };
}

const CLUSTER = [
  machine("calm heron"),
  machine("wild finch"),
  ...Array.from({ length: 14 }, (_, i) => machine(`pod ${i}`, i % 2 === 0 ? "calm heron" : "wild finch")),
];

function distance(a: { x: number; y: number }, b: { x: number; y: number }): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

test("the same map is laid out the same, in whichever order", () => {
  expect(layout(CLUSTER.toReversed())).toEqual(layout(CLUSTER));
});

test("nothing covers anything", () => {
  const places = [...layout(CLUSTER).places.values()];
  const near = places.flatMap((a, i) => places.slice(i + 1).map((b) => distance(a, b)));
  expect(Math.min(...near)).toBeGreaterThan(60);
});

test("everything is inside of what is to be seen", () => {
  const { places, box } = layout(CLUSTER);
  for (const { x, y } of places.values()) {
    expect(x).toBeGreaterThan(box.x);
    expect(x).toBeLessThan(box.x + box.width);
    expect(y).toBeGreaterThan(box.y);
    expect(y).toBeLessThan(box.y + box.height);
  }
});

test("what goes moves nothing, and neither does another state", () => {
  const before = layout(CLUSTER);
  const after = layout(
    CLUSTER.slice(0, -3).map((it) => ({ ...it, state: "failed" as const })),
    before,
  );
  for (const [id, place] of after.places) expect(place).toEqual(before.places.get(id));
});

test("what comes finds a place, and the others stay near theirs", () => {
  const before = layout(CLUSTER);
  const after = layout([...CLUSTER, machine("new", "calm heron")], before);
  const moved = CLUSTER.map(({ id }) => distance(after.places.get(id)!, before.places.get(id)!));
  expect(after.places.has("new")).toBe(true);
  expect(Math.max(...moved)).toBeLessThan(120);
});

test("a link to what is not there is none", () => {
  expect(layout([machine("lost", "gone")]).places.size).toBe(1);
  expect(layout([]).places.size).toBe(0);
});

test("a machine is described in words", () => {
  const pod = machine("quiet finch", "calm heron", { state: "failed", old: true, detail: "CrashLoopBackOff" });
  expect(described(pod, [machine("calm heron"), pod])).toBe(
    "quiet finch, pod, failed, not seen for a while, on calm heron, CrashLoopBackOff",
  );
});

test("a label is the last part of a name, and short", () => {
  expect(label("kube-system/coredns-668d6bf9bc-4xk2p")).toBe("coredns-668d6bf9bc-…");
  expect(label("calm heron")).toBe("calm heron");
});
