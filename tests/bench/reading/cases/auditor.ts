/** What row level security costs: a login that may read one tenant, beside the role that owns the tables. */
import type pg from "pg";
import { EXPERIMENT } from "../books/arms.js";
import { ROOT } from "../books/tree.js";
import { type Books, type Case, differing, oneValue, readAll } from "../case.js";

interface Reading {
  readonly name: string;
  readonly books: Books;
  readonly from: string;
  readonly rounds: number;
}

const RUN = `where tenant_id = 'tree' and run_id = '${ROOT}'`;
const READINGS: readonly Reading[] = [
  { name: "trajectory", books: "tree", from: `ledger.trajectory ${RUN}`, rounds: 3 },
  { name: "spent_breakdown", books: "tree", from: `ledger.spent_breakdown ${RUN}`, rounds: 3 },
  { name: "journal", books: "tree", from: `ledger.journal ${RUN}`, rounds: 3 },
  { name: "usage_daily", books: "many", from: "ledger.usage_daily where tenant_id = 'many'", rounds: 3 },
  {
    name: "arm_costs",
    books: "arms",
    from: `ledger.arm_costs where tenant_id = 'arms' and experiment = '${EXPERIMENT}'`,
    rounds: 9,
  },
];

export const auditor: readonly Case[] = READINGS.map(({ name, books, from, rounds }) => {
  const text = `select * from ${from}`;
  const answer = (client: pg.ClientBase): Promise<string> =>
    oneValue(client, `select row(count(*), sum(hashtextextended(s::text, 0))) from (${text}) s`);
  return {
    name: `auditor-${name}`,
    books: [books],
    baseline: { what: "as the owner", run: ({ owner }) => readAll(owner, text) },
    measured: { what: `${name} as an auditor`, run: ({ auditors }) => readAll(auditors[books], text) },
    target: 1.5,
    rounds,
    async check({ owner, auditors }) {
      return differing(`${name} for both`, await answer(owner), await answer(auditors[books]));
    },
  };
});
