/** One run among many, beside the same run in a database of its own. */
import type pg from "pg";
import { runOf } from "../books/many.js";
import { type Case, differing, oneValue, readAll, type Sizes } from "../case.js";

/** Too short to be taken alone. */
const TIMES = 20;

export function oneOfMany({ runs }: Sizes): readonly Case[] {
  const where = `where tenant_id = 'many' and run_id = '${runOf(Math.floor(runs / 2))}'`;
  return ["trajectory", "spent_breakdown"].map((view) => {
    const text = `select * from ledger.${view} ${where}`;
    const read = async (client: pg.ClientBase): Promise<void> => {
      for (let n = 0; n < TIMES; n += 1) await readAll(client, text);
    };
    const answer = (client: pg.ClientBase): Promise<string> =>
      oneValue(client, `select jsonb_agg(to_jsonb(s) order by s::text) from (${text}) s`);
    return {
      name: `one-of-many-${view}`,
      books: ["many"],
      baseline: { what: "alone in its database", per: TIMES, run: ({ alone }) => read(alone) },
      measured: { what: `${view} of one run of ${runs}`, per: TIMES, run: ({ superuser }) => read(superuser) },
      target: 2,
      rounds: 15,
      async check({ superuser, alone }) {
        return differing(`${view} of the same run`, await answer(alone), await answer(superuser));
      },
    };
  });
}
