/** What one node of a deep chain takes, beside one of a shallow chain: the same, where reading is linear. */
import { chainOf } from "../books/chains.js";
import { type Case, differing, oneValue, readAll, type Sizes } from "../case.js";

const READ = {
  /** Without `path`, which is as long as its node is deep. */
  trajectory:
    "select node_id, depth, own_usd, rolled_up_usd, rolled_up_input_tokens, rolled_up_usd_known from ledger.trajectory",
  spent_breakdown: "select * from ledger.spent_breakdown",
};

export function chains({ chains: [shallow = 1, ...deeper] }: Sizes): readonly Case[] {
  return Object.entries(READ).flatMap(([view, text]) =>
    deeper.map((depth) => {
      const query = (of: number): string => `${text} where tenant_id = 'chains' and run_id = '${chainOf(of)}'`;
      return {
        name: `chain-${view}-${depth}`,
        books: ["chains"] as const,
        baseline: {
          what: `per node of ${shallow}`,
          per: shallow,
          run: ({ superuser }) => readAll(superuser, query(shallow)),
        },
        measured: {
          what: `${view} per node of ${depth}`,
          per: depth,
          run: ({ superuser }) => readAll(superuser, query(depth)),
        },
        target: 1.5,
        rounds: 7,
        async check({ superuser }) {
          const where = `where tenant_id = 'chains' and run_id = '${chainOf(depth)}'`;
          const root = await oneValue(superuser, `select rolled_up_usd from ledger.trajectory ${where} and depth = 0`);
          const spent = await oneValue(superuser, `select sum(usd)::numeric from ledger.journal ${where}`);
          const total = `select usd from ledger.spent_breakdown ${where} and source = 'total'`;
          const deepest = await oneValue(superuser, `select max(cardinality(path)) from ledger.trajectory ${where}`);
          return [
            ...differing("rolled up at the root", String(Number(spent)), String(Number(root))),
            ...differing("the breakdown's total", root, await oneValue(superuser, total)),
            ...differing("the longest path", String(depth), deepest),
          ];
        },
      } satisfies Case;
    }),
  );
}
