/** `agent-ledger trajectory <run>`: the run as a tree. */
import type { Command } from "commander";
import type { TrajectoryRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import { linesOf, TOKENS_KNOWN, UNKNOWN_USD_EVENTS, USD_KNOWN } from "../../ledger/usage-lines.js";
import { shareBar } from "../bars.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { type Dollars, dollars, printJson, printTable, reported } from "../output.js";
import { noSuchRun } from "../reports/no-such.js";
import { drawTree } from "../tree.js";
import { addWork } from "../verb.js";
import { standing } from "./runs.js";

/** A node as this verb shows it: the view's row, whether its own figures are all known, and events that nobody could price. */
export type TrajectoryNode = TrajectoryRow & {
  readonly own_tokens_known: boolean;
  readonly own_usd_known: boolean;
  readonly own_unknown_usd_events: string;
  readonly rolled_up_unknown_usd_events: string;
};

/** Adds the verb. */
export function addTrajectory(program: Command): void {
  const command = program
    .command("trajectory")
    .argument("<run>", "its id")
    .description("the run as a tree: own spend, spend of everything below, and the share of the run");
  addWork(command, (options: ConnectionOptions, run: string) =>
    readLedger(options, async (ledger) => {
      const nodes = await readTrajectory(ledger, run);
      if (nodes.length === 0) noSuchRun(run, ledger.tenantId);
      if (options.json) printJson(nodes);
      else printTrajectory(nodes);
    }),
  );
}

/** The nodes of a run, parents before children; none where there is no such run. */
export async function readTrajectory(ledger: Ledger, run: string): Promise<TrajectoryNode[]> {
  const rows = ledger.db
    .selectFrom("trajectory")
    .selectAll()
    .where("tenant_id", "=", ledger.tenantId)
    .where("run_id", "=", run)
    .orderBy("path");
  const flags = linesOf(ledger, { run })
    .select(["u.node_id", TOKENS_KNOWN.as("own_tokens_known"), USD_KNOWN.as("own_usd_known")])
    .select(UNKNOWN_USD_EVENTS.as("own_unknown_usd_events"))
    .groupBy("u.node_id");
  const [nodes, known] = await Promise.all([rows.execute(), flags.execute()]);
  const knownOf = new Map(known.map(({ node_id, ...own }) => [node_id, own]));
  // Who spent nothing has nothing that could be unknown.
  const spentNothing = { own_tokens_known: true, own_usd_known: true, own_unknown_usd_events: "0" };
  const shown = drawTree(nodes).map(({ node }) => ({ ...node, ...(knownOf.get(node.node_id) ?? spentNothing) }));
  const unknown = rolledUp(shown);
  return shown.map((node) => ({ ...node, rolled_up_unknown_usd_events: String(unknown.get(node.node_id) ?? 0) }));
}

/** Events that nobody could price, of a node and everything below it. Nodes come parents first. */
function rolledUp(
  nodes: readonly Pick<TrajectoryNode, "node_id" | "parent_node_id" | "own_unknown_usd_events">[],
): Map<string, number> {
  const sums = new Map(nodes.map((node) => [node.node_id, Number(node.own_unknown_usd_events)]));
  for (const { node_id, parent_node_id: parent } of nodes.toReversed()) {
    const above = parent === null ? undefined : sums.get(parent);
    if (parent !== null && above !== undefined) sums.set(parent, above + (sums.get(node_id) ?? 0));
  }
  return sums;
}

const ownDollars = (node: TrajectoryNode): Dollars => ({
  usd: node.own_usd,
  usd_known: node.own_usd_known,
  estimated_usd: node.own_uncertain_usd,
  unknown_usd_events: node.own_unknown_usd_events,
});

const allDollars = (node: TrajectoryNode): Dollars => ({
  usd: node.rolled_up_usd,
  usd_known: node.rolled_up_usd_known,
  estimated_usd: node.rolled_up_uncertain_usd,
  unknown_usd_events: node.rolled_up_unknown_usd_events,
});

/** The tree. */
export function printTrajectory(nodes: readonly TrajectoryNode[]): void {
  const whole = nodes[0]?.rolled_up_charged_tokens ?? "0";
  printTable(
    "The run: own spend, that of everything below included, and the share of the run's tokens",
    ["node", "status", "own tokens", "own usd", "tokens", "usd", "share"],
    drawTree(nodes).map(({ line, node }) => [
      line,
      node.depth === 0 ? standing(node.status) : node.status,
      reported(node.own_charged_tokens, node.own_tokens_known),
      dollars(ownDollars(node)),
      reported(node.rolled_up_charged_tokens, node.rolled_up_tokens_known),
      dollars(allDollars(node)),
      shareBar(node.rolled_up_charged_tokens, whole),
    ]),
    2,
  );
}
