/** Writes the books, takes the times, compares the answers, and asks the ledger whether it is healthy. */
import { machineOf, serverOf } from "../machine.js";
import { writeArms } from "./books/arms.js";
import { writeChains } from "./books/chains.js";
import { runOf, writeMany } from "./books/many.js";
import { writeTree } from "./books/tree.js";
import type { Books, Case, Sizes } from "./case.js";
import { type Figure, measure } from "./measure.js";
import { openPlace, type Place } from "./place.js";
import type { Report } from "./report.js";
import { Writer } from "./writer.js";

/** How many write at once; their pools differ. */
const WRITERS = 2;

/** How each of the books is written. */
const WRITE: Record<Books, (writers: readonly Writer[], sizes: Sizes) => Promise<void>> = {
  tree: writeTree,
  many: (writers, sizes) => writeMany(writers, 0, sizes.runs),
  arms: (writers, sizes) => writeArms(writers, sizes.gatedRuns),
  chains: (writers, sizes) => writeChains(writers, sizes.chains),
};

/** Runs the cases at these sizes, as the superuser of `serverUrl` or on an embedded server; `log` hears what is under way. */
export async function timeReading(
  cases: readonly Case[],
  sizes: Sizes,
  log: (line: string) => void,
  serverUrl: string | undefined,
): Promise<Report> {
  const place = await openPlace(serverUrl);
  try {
    const books = [...new Set(cases.flatMap((one) => one.books))];
    const written: Report["written"] = {};
    for (const name of books) {
      log(`writing ${name} …`);
      written[name] = await write(place, name, sizes);
    }
    const figures: Figure[] = [];
    const wrong: string[] = [];
    for (const statistics of ["never analysed", "analysed"] as const) {
      if (statistics === "analysed") await place.analyze();
      for (const one of cases) {
        log(`${one.name}, ${statistics} …`);
        figures.push(await measure(one, place.readers, statistics));
      }
    }
    log("checking …");
    for (const one of cases) wrong.push(...(await one.check(place.readers)).map((line) => `${one.name}: ${line}`));
    for (const name of books) wrong.push(...(await audit(place, name)));
    return { machine: machineOf(), server: await serverOf(place.readers.superuser), sizes, written, figures, wrong };
  } finally {
    await place.close();
  }
}

async function write(place: Place, name: Books, sizes: Sizes): Promise<Report["written"][string]> {
  const started = performance.now();
  const clients = await Promise.all(Array.from({ length: WRITERS }, () => place.connect()));
  const writers = clients.map((client, n) => new Writer(client, name, `w${n}`));
  await WRITE[name](writers, sizes);
  if (name === "many") await writeAlone(place, sizes);
  const operations = writers.reduce((sum, writer) => sum + writer.operations, 0);
  return { seconds: (performance.now() - started) / 1000, operations };
}

/** The run that is read among many, where it is the only one. */
async function writeAlone(place: Place, { runs }: Sizes): Promise<void> {
  const middle = Math.floor(runs / 2);
  await writeMany([new Writer(place.readers.alone, "many")], middle, middle + 1);
  if (runs <= middle) throw new Error(`${runOf(middle)} is not among the runs`);
}

async function audit(place: Place, tenantId: Books): Promise<string[]> {
  const text = "select rule, pool_id, detail from ledger.audit where tenant_id = $1 limit 10";
  const { rows } = await place.readers.superuser.query(text, [tenantId]);
  return rows.map((row) => `ledger.audit of ${tenantId}: ${JSON.stringify(row)}`);
}
