/** Eight processes ask one pool for more than it has: what it has is granted exactly once, and nobody has to ask again. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Crew, startCrew } from "./crew.js";
import { type Job, perSecond } from "./jobs.js";
import { withId } from "./operations.js";
import { PATIENCE_MS, STRESS } from "./stress.js";
import { plant } from "./trees.js";

const WORKERS = 8;
const SPAWNS_EACH = 200 * STRESS;
const TOKENS_EACH = 10;
const GRANTED = (WORKERS * SPAWNS_EACH * 5) / 8;

let database: TestDatabase;
let crew: Crew;

beforeAll(async () => {
  crew = startCrew(WORKERS);
  database = await createTestDatabase();
  const client = await database.connect();
  await plant(client, "t", [
    withId({ op: "open_pool", pool_id: "hot", channels: { tokens: { total: GRANTED * TOKENS_EACH } } }),
  ]);
});
afterAll(async () => {
  await crew?.stop();
  await database?.drop();
});

function spawns(worker: number): Job {
  const batches = Array.from({ length: SPAWNS_EACH }, (_, index) => [
    withId({ op: "spawn", pool_id: "hot", label: `${worker}/${index}`, budget: { tokens: TOKENS_EACH } }),
  ]);
  return { kind: "calls", entryPoint: "submit", tenantId: "t", batches };
}

it(
  `grants ${GRANTED} of ${WORKERS * SPAWNS_EACH}`,
  async () => {
    const reports = await crew.run(
      database.url,
      Array.from({ length: WORKERS }, (_, worker) => spawns(worker)),
    );
    const answers = reports.flatMap((report) => report.answers);
    const retries = reports.flatMap((report) => report.retries);
    console.log(
      `hot pool: ${perSecond(reports, answers.length)} spawns/s, ${retries.length} serialization failures in ${answers.length} calls`,
    );

    expect(answers.filter(({ status }) => status === "ok")).toHaveLength(GRANTED);
    const refused = answers.filter(({ status }) => status !== "ok");
    expect(refused).toHaveLength(answers.length - GRANTED);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["budget-exhausted"]));
    expect(retries).toEqual([]);

    const { rows } = await database.pool.query(
      `select
         (select array[trim_scale(total), trim_scale(free), trim_scale(reserved), trim_scale(committed)]::int[]
          from ledger.channels where pool_id = 'hot' and channel = 'tokens') as tokens,
         (select count(*)::int from ledger.nodes where parent_node_id = 'hot') as children,
         (select count(*)::int from ledger.refusals) as refusals,
         (select array[min(seq), max(seq), count(distinct seq)]::int[] from ledger.journal) as seqs,
         (select seq::int from ledger.pool_heads) as head`,
    );
    const total = GRANTED * TOKENS_EACH;
    expect(rows).toEqual([
      {
        tokens: [total, 0, total, 0],
        children: GRANTED,
        refusals: answers.length - GRANTED,
        seqs: [1, GRANTED + 1, GRANTED + 1],
        head: GRANTED + 1,
      },
    ]);
    expect((await database.pool.query("select * from ledger.audit")).rows).toEqual([]);
  },
  PATIENCE_MS,
);
