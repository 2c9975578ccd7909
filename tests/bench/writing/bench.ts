/** Runs the cases one after the other, each on fresh databases. */
import { connect } from "../../../src/database/connect.js";
import { ledgerOf, machineOf, serverOf } from "../machine.js";
import type { Case, Options } from "./case.js";
import { hasPgbench } from "./loads/pgbench.js";
import type { Place } from "./place.js";
import type { CaseReport, Report } from "./report.js";

/** Runs them in that place, which the caller closes; `log` hears what is under way. */
export async function timeWriting(
  cases: readonly Case[],
  options: Options,
  log: (line: string) => void,
  place: Place,
): Promise<Report> {
  const date = new Date().toISOString();
  const reports: CaseReport[] = [];
  for (const { name, about, run } of cases) {
    log(`${name} …`);
    const began = performance.now();
    const outcome = await run({ place, options, log: (line) => log(`${name}: ${line}`) });
    await place.dropAll();
    reports.push({ name, about, seconds: (performance.now() - began) / 1000, ...outcome });
  }
  const client = await connect(place.url);
  const server = await serverOf(client).finally(() => client.end());
  return {
    shape: 1,
    date,
    ledger: await ledgerOf(),
    machine: machineOf(),
    server,
    generator: (await hasPgbench()) ? "pgbench" : "node",
    options,
    cases: reports,
  };
}
