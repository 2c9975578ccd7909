/**
 * A program of its own that meters: `tsx workload.ts <url> <tenant> work|hold`. All its ids are fixed, so that it can be killed
 * anywhere and started again. It writes a line at every step, by which its parent chooses the moment.
 */
import { createLedger } from "../../src/ledger/ledger.js";
import { byCallers } from "./random.js";

/** What the work amounts to. */
export const WORK = { observed: 300, children: 24, deeds: 24 } as const;

/** The pools of the program; `hold` uses the first. */
export const POOLS = ["run", "side"] as const;

/** How long a hold of `hold` lasts without renewal. */
export const SHORT_LEASE_MS = 900;

const CALLERS = 16;
const step = (what: string): void => {
  process.stdout.write(`${what}\n`);
};
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const tokens = (count: number) => ({ input_tokens: count, output_tokens: 1, usd: "0.01" });

async function work(url: string, tenantId: string): Promise<void> {
  const ledger = createLedger({ connectionString: url, tenantId });
  const [run, side] = await Promise.all(
    POOLS.map((poolId) =>
      ledger.openPool({ tokens: 100_000, iterations: 1_000, usd: "100" }, { poolId, run: { label: poolId } }),
    ),
  );
  if (!run || !side) throw new Error("no pool");

  const observe = async (index: number): Promise<void> => {
    await run.observe(tokens(index % 7), { operationId: `observed/${index}` });
    step("observed");
  };
  const child = async (index: number): Promise<void> => {
    const nodeId = `child-${index}`;
    const budget = { tokens: 100, iterations: 1, usd: "1" };
    const reserved = await run.reserve(budget, { nodeId, label: nodeId, operationId: `reserved/${index}` });
    step("reserved");
    if (!reserved.ok) throw new Error(reserved.code);
    await run.dispatch(reserved.ticket, { operationId: `dispatched/${index}` });
    step("dispatched");
    await run.reconcile(reserved.ticket, { ...tokens(index), iterations: 1 }, { operationId: `settled/${index}` });
    step("settled");
  };
  const greedy = async (index: number): Promise<void> => {
    const refused = await side.reserve(
      { tokens: 1_000_000, iterations: 1, usd: "1" },
      { label: "greedy", operationId: `greedy/${index}` },
    );
    if (refused.ok || refused.code !== "budget-exhausted") throw new Error("was to be refused");
    step("refused");
  };
  const deed = (index: number): Promise<void> =>
    ledger.withTransaction({ pools: ["side"] }, async (client, books) => {
      const id = `deed/${index}`;
      await client.query("insert into deeds values ($1, $2) on conflict do nothing", [tenantId, id]);
      step("written");
      await books.pool("side").observe(tokens(2), { operationId: id });
      step("metered");
    });

  const jobs = [
    ...numbers(WORK.observed).map((index) => () => observe(index)),
    ...numbers(WORK.children).map((index) => () => child(index)),
    ...numbers(4).map((index) => () => greedy(index)),
    ...numbers(WORK.deeds).map((index) => () => deed(index)),
  ];
  // Everything beside everything else, in one order.
  const shuffled = jobs.map((job, index) => ({ job, place: (index * 131) % 353 }));
  shuffled.sort((one, other) => one.place - other.place);
  await byCallers(CALLERS, shuffled, ({ job }) => job());
  await ledger.close();
  step("done");
}

/** Takes a hold that it never settles, and lives on. */
async function hold(url: string, tenantId: string): Promise<void> {
  const ledger = createLedger({ connectionString: url, tenantId });
  const pool = await ledger.openPool({ tokens: 1_000, iterations: 10 }, { poolId: POOLS[0] });
  const options = { nodeId: "held", label: "held", leaseMs: SHORT_LEASE_MS };
  await pool.reserve({ tokens: 100, iterations: 1 }, options);
  step("held");
  setInterval(() => {}, 1_000);
}

const [, , url, tenantId, what] = process.argv;
// As a module it only says how much there is.
if (url && tenantId && what) await (what === "hold" ? hold : work)(url, tenantId);
