/** Tool `trajectory`: the tree of a run, page by page. */
import { sql } from "kysely";
import { z } from "zod";
import { LedgerError } from "../../ledger/errors.js";
import { id } from "../../ledger/schemas.js";
import { argument, runOf, type View } from "../bounds.js";
import { amount, argumentsOf, counted, cut, tool, USUAL_ROWS } from "../tool.js";

const FIGURES = [
  "iterations",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "charged_tokens",
  "usd",
  "uncertain_tokens",
  "uncertain_usd",
] as const;
type Figure = (typeof FIGURES)[number];
const OWN = FIGURES.map((name) => `own_${name}` as const);
const ROLLED_UP = FIGURES.map((name) => `rolled_up_${name}` as const);

const amounts = Object.fromEntries([...OWN, ...ROLLED_UP].map((name) => [name, amount])) as {
  [name in `own_${Figure}` | `rolled_up_${Figure}`]: typeof amount;
};

const node = z.object({
  node_id: z.string(),
  parent_node_id: z.string().nullable(),
  depth: z.number().int(),
  label: z.string(),
  runtime: z.string().nullable(),
  status: z.enum(["pending", "dispatched", "done", "down", "cancelled", "expired"]),
  ...amounts,
  rolled_up_tokens_known: z.boolean().describe("False: a part is unknown"),
  rolled_up_usd_known: z.boolean().describe("False: a part is estimated or unknown"),
});

/** The tool. */
export const trajectory = tool({
  name: "trajectory",
  title: "The tree of a run",
  description:
    "The nodes of a run in tree order, each with its own spend and that of everything below included (rolled_up). " +
    "Where truncated is true, call again with after = the last node_id.",
  input: z.strictObject({
    run: argumentsOf.run,
    after: id.optional().describe("Go on behind that node: the last node_id of the page before"),
    limit: argumentsOf.limit,
  }),
  output: z.object({
    run_id: z.string(),
    nodes_total: amount.describe("Nodes that are shown in all pages together"),
    nodes: z.array(node),
    truncated: z.boolean(),
  }),
  async answer(view, { run: asked, after, limit = USUAL_ROWS }) {
    const { run_id, top } = await treeOf(view, asked);
    const { total, rows: found } = await nodesOf(view, { run_id, top, after, limit: limit + 1 });
    const { rows: nodes, truncated } = cut(found, limit);
    return {
      says: `Run ${run_id}: ${counted(nodes.length, "node", truncated)} of ${total}`,
      content: { run_id, nodes_total: total, nodes, truncated },
    };
  },
});

/** The run, or the part of one that the server is bound to. */
async function treeOf(view: View, asked: string | undefined): Promise<{ run_id: string; top: string | undefined }> {
  const { root, rootRun } = view.bounds ?? {};
  if (rootRun != null && rootRun !== root && (asked === undefined || asked === rootRun))
    return { run_id: rootRun, top: root };
  return { run_id: await runOf(view, asked), top: undefined };
}

interface Page {
  readonly run_id: string;
  readonly top: string | undefined;
  readonly after: string | undefined;
  readonly limit: number;
}

/** Of the nodes that are shown, which `after` must be one of: how many there are, and those behind it. */
async function nodesOf({ db, tenantId }: View, { run_id, top, after, limit }: Page) {
  const tree = db.with("tree", (q) =>
    q
      .selectFrom("trajectory as t")
      .select(["t.path", "t.node_id", "t.parent_node_id", "t.depth", "t.label", "t.runtime", "t.status"])
      .select([...OWN, ...ROLLED_UP, "t.rolled_up_tokens_known", "t.rolled_up_usd_known"])
      .where("t.tenant_id", "=", tenantId)
      .where("t.run_id", "=", run_id)
      .$if(top !== undefined, (part) => part.where(sql<boolean>`${top} = any(t.path)`)),
  );
  // `after` comes first, so that the last page has a row too.
  const rows = await tree
    .selectFrom("tree")
    .selectAll()
    .select(sql<string>`(select count(*) from tree)`.as("total"))
    .$if(after !== undefined, (page) =>
      page.where(sql<boolean>`path >= (select path from tree where node_id = ${after})`),
    )
    .orderBy("path")
    .limit(after === undefined ? limit : limit + 1)
    .execute();
  const [first] = rows;
  if (!first) {
    const [path, rule] = [argument("after"), `there is no node ${after} in what is shown of the run`];
    throw new LedgerError("LG003", `${path}: ${rule}`, { detail: { path, rule } });
  }
  const page = after === undefined ? rows : rows.slice(1);
  return { total: first.total, rows: page.map(({ path: _, total: __, ...row }) => row) };
}
