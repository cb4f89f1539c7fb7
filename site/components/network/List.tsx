import type { Machine } from "@/lib/network";
import styles from "./Network.module.css";

/** The same in words, each machine with what it runs on. On a phone it stands in the map's place. */
export function List({ machines }: { machines: readonly Machine[] }) {
  const names = new Map(machines.map(({ id, name }) => [id, name]));
  return (
    <div className={styles.list} role="region" aria-label="All machines" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Kind</th>
            <th scope="col">State</th>
            <th scope="col">Runs on</th>
          </tr>
        </thead>
        <tbody>
          {machines.map((machine) => (
            <tr key={machine.id} data-state={machine.state}>
              <th scope="row">
                {machine.name}
                {machine.detail !== "" && <span className={styles.detail}> {machine.detail}</span>}
              </th>
              <td>{machine.kind}</td>
              <td className={styles.state}>
                {machine.state}
                {machine.old && ", old"}
              </td>
              <td>{machine.runsOn === null ? "" : names.get(machine.runsOn)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
