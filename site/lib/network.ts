/**
 * The network map, laid out: where everything is, computed and not simulated as one watches.
 *
 * Places are made of names and links alone, so a map looks the same on every page and after every load. What stays on
 * the map begins where it was: a set that changes a little moves little.
 */

import type { FunctionReturnType } from "convex/server";
import { forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY, type SimulationNodeDatum } from "d3-force";
import type { api } from "@/convex/_generated/api";

export type NetworkMap = FunctionReturnType<typeof api.network.publicMap>;
export type Machine = NetworkMap["machines"][number];

export interface Place {
  x: number;
  y: number;
}

export interface Layout {
  places: ReadonlyMap<string, Place>;
  /** What is to be seen: everything, with room for labels. */
  box: { x: number; y: number; width: number; height: number };
}

type Body = SimulationNodeDatum & { id: string; x: number; y: number; radius: number; runsOn: string | null };

const STEPS = 240;
const ROOM = { sides: 90, top: 40 };

/** Every machine's place; `before` is the layout that the page shows now. */
export function layout(machines: readonly Machine[], before?: Layout): Layout {
  // In the order of ids: the owner's map is sorted by other names, and is the same map.
  const bodies: Body[] = machines.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((machine) => {
    const known = before?.places.get(machine.id);
    const { x, y } = known ?? begin(machine.id);
    return { id: machine.id, runsOn: machine.runsOn, x, y, radius: machine.kind === "node" ? 66 : 60 };
  });
  const there = new Set(machines.map((machine) => machine.id));
  const links = bodies.flatMap(({ id, runsOn }) =>
    runsOn !== null && there.has(runsOn) ? [{ source: id, target: runsOn }] : [],
  );
  const known = before !== undefined && machines.every((machine) => before.places.has(machine.id));
  if (!known) {
    forceSimulation(bodies)
      .force("links", forceLink<Body, { source: string; target: string }>(links).id((body) => body.id).distance(110))
      .force("apart", forceManyBody<Body>().strength(-220).distanceMax(500))
      .force("bodies", forceCollide<Body>((body) => body.radius))
      .force("middle x", forceX<Body>(0).strength(0.05))
      .force("middle y", forceY<Body>(0).strength(0.09))
      // Something that came moves its neighbours, and not the map.
      .alpha(before === undefined ? 1 : 0.3)
      .stop()
      .tick(STEPS);
  }
  const places = new Map(bodies.map(({ id, x, y }) => [id, { x: Math.round(x), y: Math.round(y) }]));
  return { places, box: around([...places.values()]) };
}

function around(places: readonly Place[]): Layout["box"] {
  if (places.length === 0) return { x: 0, y: 0, width: 1, height: 1 };
  const xs = places.map((place) => place.x);
  const ys = places.map((place) => place.y);
  const x = Math.min(...xs) - ROOM.sides;
  const y = Math.min(...ys) - ROOM.top;
  return { x, y, width: Math.max(...xs) + ROOM.sides - x, height: Math.max(...ys) + ROOM.top + 16 - y };
}

/** Where a machine begins that was not there before: somewhere, but always there. */
function begin(id: string): Place {
  let hash = 2_166_136_261;
  for (const letter of id) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  const angle = ((hash & 0xffff) / 0x10000) * 2 * Math.PI;
  const distance = 60 + ((hash >>> 16) / 0x10000) * 240;
  return { x: Math.cos(angle) * distance, y: Math.sin(angle) * distance };
}

/** A machine in words: what the list says, and a screen reader of its mark. */
export function described(machine: Machine, all: readonly Machine[]): string {
  const host = all.find((other) => other.id === machine.runsOn);
  const parts = [`${machine.name}, ${machine.kind}`, machine.state];
  if (machine.old) parts.push("not seen for a while");
  if (host !== undefined) parts.push(`on ${host.name}`);
  if (machine.detail !== "") parts.push(machine.detail);
  return parts.join(", ");
}

/** Short enough for a mark's label; the list has all of it. */
export function label(name: string): string {
  const last = name.split("/").at(-1) ?? name;
  return last.length > 20 ? `${last.slice(0, 19)}…` : last;
}
