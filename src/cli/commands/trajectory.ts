/** `agent-ledger trajectory <run>`: the run as a tree. */
import type { Command } from "commander";
import type { TrajectoryRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import { shareBar } from "../bars.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { printJson, printTable, reported } from "../output.js";
import { linesOf, TOKENS_KNOWN, USD_KNOWN } from "../reports/lines.js";
import { noSuchRun } from "../reports/no-such.js";
import { drawTree } from "../tree.js";
import { addWork } from "../verb.js";
import { standing } from "./runs.js";

/** A node as this verb shows it: the view's row, and whether its own figures are all known. */
export type TrajectoryNode = TrajectoryRow & { readonly own_tokens_known: boolean; readonly own_usd_known: boolean };

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
  const flags = linesOf(ledger, run)
    .select(["u.node_id", TOKENS_KNOWN.as("own_tokens_known"), USD_KNOWN.as("own_usd_known")])
    .groupBy("u.node_id");
  const [nodes, known] = await Promise.all([rows.execute(), flags.execute()]);
  const knownOf = new Map(known.map(({ node_id, ...own }) => [node_id, own]));
  // Who spent nothing has nothing that could be unknown.
  const spentNothing = { own_tokens_known: true, own_usd_known: true };
  return drawTree(nodes).map(({ node }) => ({ ...node, ...(knownOf.get(node.node_id) ?? spentNothing) }));
}

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
      reported(node.own_usd, node.own_usd_known),
      reported(node.rolled_up_charged_tokens, node.rolled_up_tokens_known),
      reported(node.rolled_up_usd, node.rolled_up_usd_known),
      shareBar(node.rolled_up_charged_tokens, whole),
    ]),
    2,
  );
}
