/** The verdict on an experiment, beside the bare sum of its runs' rows. */
import { EXPERIMENT } from "../books/arms.js";
import { type Case, differing, oneValue, readAll, type Sizes } from "../case.js";
import { IS_SPEND, SUMS } from "../spend.js";

const ROWS = `from ledger_private.runs r join ledger_private.journal j on j.tenant_id = r.tenant_id and j.pool_id = r.run_id
  where r.tenant_id = 'arms' and r.experiment = '${EXPERIMENT}' and ${IS_SPEND}`;
const BARE = `select ${SUMS} ${ROWS}`;
const GATE = `select * from ledger.equal_k('arms', '${EXPERIMENT}', 0.05)`;
const COSTS = `from ledger.arm_costs where tenant_id = 'arms' and experiment = '${EXPERIMENT}'`;

export function gate({ gatedRuns }: Sizes): Case {
  return {
    name: "equal-k",
    books: ["arms"],
    baseline: { what: "bare sum of their rows", run: ({ superuser }) => readAll(superuser, BARE) },
    measured: { what: `equal_k over ${gatedRuns} runs`, run: ({ superuser }) => readAll(superuser, GATE) },
    target: 3,
    rounds: 15,
    async check({ superuser }) {
      const all = await oneValue(superuser, `select verdict from (${GATE}) g where channel = 'all'`);
      const spent = await oneValue(superuser, `select row(sum(j.charged_tokens), trim_scale(sum(j.usd))) ${ROWS}`);
      const costs = await oneValue(superuser, `select row(sum(charged_tokens), trim_scale(sum(usd))) ${COSTS}`);
      return [...differing("verdict", "equal", all), ...differing("cost of both arms", spent, costs)];
    },
  };
}
