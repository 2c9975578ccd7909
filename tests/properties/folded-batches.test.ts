/**
 * Random batches of common operations, on pools that pay for each other, that are short, that only flag: however they are cut into calls, the
 * answers and every row are those of one operation a call. `HISTORY_RUNS` widens the search, `HISTORY_SEED` repeats one.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Answer, Books, Operation } from "../sql/books.js";
import { openPool, openRun, spend } from "../sql/builders.js";
import { useLedger } from "../sql/ledger.js";
import { rowsOf } from "../sql/rows.js";

const RUNS = Number(process.env.HISTORY_RUNS ?? 8);
const SEED = process.env.HISTORY_SEED;
const ledger = useLedger();

const TREE: readonly Operation[] = [
  openPool("top", { tokens: 4000, iterations: 100, usd: "50" }, { tags: { team: "core" } }),
  openRun("run", { tokens: 900, iterations: 30 }, { parent_pool_id: "top" }),
  openPool("flag", { usd: "3" }, { unknown_usd: "flag", token_charge: "uncached" }),
  openPool("small", { tokens: 60, usd: "0.5" }),
].map((operation, n) => ({ operation_id: `tree-${n}`, ...operation }));

const pool = fc.constantFrom("run", "run", "top", "flag", "small");
const node = fc.constantFrom("a", "b", "c", "d", "run:s0", "run:s1", "top:s0", "small:s0", "flag:s0");
const count = fc.integer({ min: 0, max: 40 });
const dollars = fc.constantFrom("0", "0.1", "0.250000000001", "2");

/** A spend whose parts are within their whole; its dollars are a receipt, an estimate, or unknown. */
const spends = fc
  .record({ input: count, read: count, output: count, usd: dollars, iterations: fc.constantFrom(0, 0, 1) })
  .chain(({ input, read, output, usd, iterations }) =>
    fc
      .constantFrom({ usd }, { usd }, { usd, usd_known: false }, { usd_known: false }, { usd, tokens_known: false })
      .map((known) =>
        spend({ iterations, input_tokens: input + read, cache_read_tokens: read, output_tokens: output, ...known }),
      ),
  );
const extras = fc.constantFrom(
  {},
  {},
  { provider: "acme", model: "large" },
  { tags: { step: "plan" }, effective_at: "2024-05-06T07:08:09.123456Z" },
  { tool_calls: ["read"], detail: { n: 1 } },
);
const budgets = fc
  .record({ tokens: count, iterations: fc.constantFrom(0, 1), usd: dollars }, { requiredKeys: [] })
  .map((budget) => ({ tokens: 5, ...budget }));

const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("meter"), pool_id: pool, spend: spends, extras }) },
  {
    weight: 4,
    arbitrary: fc.record(
      { op: fc.constant("spawn"), pool_id: pool, node_id: fc.constantFrom("a", "b", "c", "d"), budget: budgets },
      { requiredKeys: ["op", "pool_id", "budget"] },
    ),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("settle"),
      node_id: node,
      outcome: fc.constantFrom("done", "down"),
      spend: spends,
      extras,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record(
      { op: fc.constant("cancel"), node_id: node, reason: fc.constant("r"), spend: spends },
      { requiredKeys: ["op", "node_id", "reason"] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("dispatch"), node_id: node }) },
);

/** Operations with their ids, now and then one that was used, cut into calls. */
const histories = fc
  .array(fc.record({ operation: operations, again: fc.nat(15), cut: fc.nat(9) }), { minLength: 4, maxLength: 28 })
  .map((drafts) => {
    const calls: Operation[][] = [[]];
    drafts.forEach(({ operation: { extras: more, ...operation }, again, cut }, n) => {
      const id = again === 0 && n > 0 ? n - 1 : n;
      const label = operation.op === "spawn" ? { label: "leaf" } : {};
      calls.at(-1)?.push({ operation_id: `op-${id}`, ...operation, ...label, ...(more as Operation | undefined) });
      if (cut === 0) calls.push([]);
    });
    return calls.filter((call) => call.length > 0);
  });

async function answersTo(books: Books, calls: readonly (readonly Operation[])[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const call of calls) answers.push(...(await books.apply(call)));
  return answers.map((answer) => ({ ...answer, position: 0 }));
}

it("leaves the rows and answers of its operations one by one", async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (calls) => {
      const [whole, parts] = [await ledger.open(), await ledger.open()];
      await whole.apply(TREE);
      await parts.apply(TREE);
      const singles = calls.flat().map((operation) => [operation]);
      expect(await answersTo(whole, calls)).toEqual(await answersTo(parts, singles));
      expect(await rowsOf(whole)).toEqual(await rowsOf(parts));
      expect(await answersTo(whole, calls)).toEqual(await answersTo(parts, singles));
      expect(await whole.audit()).toEqual([]);
    }),
    { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
  );
}, 240_000);
