/** One big run, node by node, beside the bare grouping of the same rows. */
import { ROOT } from "../books/tree.js";
import { type Case, differing, oneValue, readAll } from "../case.js";
import { IS_SPEND, SUMS, usage } from "../spend.js";

const RUN = `tenant_id = 'tree' and run_id = '${ROOT}'`;
const BARE = `select j.node_id, ${SUMS} from ledger_private.journal j
  where j.tenant_id = 'tree' and j.run_id = '${ROOT}' and ${IS_SPEND} group by j.node_id`;
const VIEW = `select * from ledger.trajectory where ${RUN}`;

/** The two rows of figures that must be the same. */
const OWN = `select md5(string_agg(s::text, '' order by s::text)) from (select node_id, ${usage("own_")} from ledger.trajectory where ${RUN}) s`;
const GROUPED = `select md5(string_agg(s::text, '' order by s::text)) from (
  select n.node_id, ${usage("b.")} from ledger.nodes n left join (${BARE}) b on b.node_id = n.node_id
  where n.tenant_id = 'tree' and n.run_id = '${ROOT}') s`;
const ROOTS = `select s::text from (select ${usage("rolled_up_")} from ledger.trajectory where ${RUN} and depth = 0) s`;
const SUMMED = `select s::text from (select ${usage("t.")} from (select ${SUMS} from ledger_private.journal j
  where j.tenant_id = 'tree' and j.run_id = '${ROOT}' and ${IS_SPEND}) t) s`;

export const trajectory: Case = {
  name: "trajectory",
  books: ["tree"],
  baseline: { what: "bare group by node", run: ({ superuser }) => readAll(superuser, BARE) },
  measured: { what: "trajectory of one run", run: ({ superuser }) => readAll(superuser, VIEW) },
  target: 5,
  rounds: 5,
  async check({ superuser }) {
    return [
      ...differing("own of every node", await oneValue(superuser, GROUPED), await oneValue(superuser, OWN)),
      ...differing("rolled up at the root", await oneValue(superuser, SUMMED), await oneValue(superuser, ROOTS)),
    ];
  },
};
