"use client";

import { useMemo, useRef } from "react";
import { Ago } from "@/components/frame/Ago";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import { useMe } from "@/components/frame/useMe";
import { api } from "@/convex/_generated/api";
import { type Layout, layout, type NetworkMap } from "@/lib/network";
import { List } from "./List";
import { MapDrawn } from "./MapDrawn";
import styles from "./Network.module.css";

/** The map with real names for the owner, with invented ones for everybody else. */
export function Network() {
  const isOwner = useMe()?.standing === "owner";
  const { value: map, error } = useLive(isOwner ? api.network.realMap : api.network.publicMap, {});
  const last = useRef<Layout>(undefined);
  const machines = map?.machines;
  const placed = useMemo(() => machines && (last.current = layout(machines, last.current)), [machines]);
  if (map === undefined || placed === undefined) return error ? <Problem error={error} /> : <Loading />;
  return (
    <>
      {error !== undefined && <Problem error={error} />}
      <Sources map={map} named={isOwner} />
      {map.machines.length === 0 ? (
        <Empty>No machine was seen yet.</Empty>
      ) : (
        <>
          <MapDrawn machines={map.machines} layout={placed} />
          <List machines={map.machines} />
        </>
      )}
      {!isOwner && <p className={styles.note}>The names are invented. Machines have others among themselves.</p>}
    </>
  );
}

/** What is not as new as it should be, and why. */
function Sources({ map, named }: { map: NetworkMap; named: boolean }) {
  const troubled = map.sources.filter((source) => source.old || source.error !== null);
  return (
    <div role="status">
      {troubled.map((source) => (
        <p key={source.name} className={styles.old}>
          {source.seenAt === null ? (
            `What ${named ? source.name : "a collector"} sees may be old.`
          ) : (
            <>
              What {named ? source.name : "a collector"} saw is as of <Ago at={source.seenAt} />.
            </>
          )}
          {source.error !== null && ` ${source.error}`}
        </p>
      ))}
    </div>
  );
}
