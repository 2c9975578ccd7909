/** The tree of a run below one of its drivers, with what each node spent. */
import type { Selectable } from "kysely";
import type { TrajectoryRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { TreeNode } from "../scope.js";
import type { Spent } from "../settled.js";
import { infraOf, spentOf, verdictOf } from "./reading.js";

/** The nodes below a node in tree order, itself first; each with its own spend and that of all below it. */
export async function treeOf(ledger: Ledger, runId: string, nodeId: string): Promise<TreeNode[]> {
  const below = (await ledger.trajectory(runId)).filter(({ path }) => path.includes(nodeId));
  const nodes = await ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select(["node_id", "key", "driver", "verdict", "out_ref", "reason", "status", "infra"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("run_id", "=", runId)
      .execute(),
  );
  const by = new Map(nodes.map((node) => [node.node_id, node]));
  const isDriver = ({ node_id }: TrajectoryNode): boolean => by.get(node_id)?.driver ?? false;
  const known = await ownOfDrivers(ledger, below.filter(isDriver));
  return below.map((row): TreeNode => {
    const node = by.get(row.node_id);
    return {
      nodeId: row.node_id,
      // A run may be a child of a pool above it, which is not of its tree.
      parentId: row.node_id === runId ? null : row.parent_node_id,
      depth: row.depth,
      label: row.label,
      runtime: row.runtime,
      key: node?.key ?? null,
      driver: node?.driver ?? false,
      status: row.status,
      verdict: verdictOf(node?.verdict) ?? null,
      outRef: node?.out_ref ?? null,
      reason: node?.reason ?? null,
      infra: node !== undefined && row.status !== "done" && infraOf(node),
      own: { ...spentWith(row, "own_"), ...(known.get(row.node_id) ?? knownBelow(row)) },
      rolledUp: spentWith(row, "rolled_up_"),
    };
  });
}

type TrajectoryNode = Selectable<TrajectoryRow>;

type Known = Pick<Spent, "tokens_known" | "usd_known">;

/** The trajectory keeps for sums only whether they are known: for a leaf they are its own, and a part of what is known is known. */
function knownBelow({ rolled_up_tokens_known: tokens_known, rolled_up_usd_known: usd_known }: TrajectoryNode): Known {
  return { tokens_known: tokens_known !== false, usd_known: usd_known !== false };
}

/** What is known of their own model calls, of drivers where something is not: the last word on each call says it. */
async function ownOfDrivers(ledger: Ledger, drivers: readonly TrajectoryNode[]): Promise<ReadonlyMap<string, Known>> {
  const asked = drivers.filter((row) => Object.values(knownBelow(row)).includes(false)).map(({ node_id }) => node_id);
  if (asked.length === 0) return new Map();
  const rows = await ledger.read((db) =>
    db
      .with("calls", (calls) =>
        calls
          .selectFrom("journal")
          .where("tenant_id", "=", ledger.tenantId)
          .where("pool_id", "in", asked)
          .whereRef("node_id", "=", "pool_id")
          .where("kind", "in", ["metered", "corrected"])
          .select(["pool_id", "seq", "tokens_known", "usd_known"])
          .select(({ fn }) => fn.coalesce("corrects_seq", "seq").as("call")),
      )
      .with("last", (last) =>
        last
          .selectFrom("calls")
          .selectAll()
          .distinctOn(["pool_id", "call"])
          .orderBy("pool_id")
          .orderBy("call")
          .orderBy("seq", "desc"),
      )
      .selectFrom("last")
      .select("pool_id")
      .select(({ fn }) => [
        fn.agg<boolean | null>("bool_and", ["tokens_known"]).as("tokens_known"),
        fn.agg<boolean | null>("bool_and", ["usd_known"]).as("usd_known"),
      ])
      .groupBy("pool_id")
      .execute(),
  );
  const by = new Map(rows.map((row) => [row.pool_id, row]));
  return new Map(
    asked.map((id) => [
      id,
      { tokens_known: by.get(id)?.tokens_known !== false, usd_known: by.get(id)?.usd_known !== false },
    ]),
  );
}

function spentWith(row: TrajectoryNode, prefix: "own_" | "rolled_up_"): Spent {
  const columns = Object.entries(row).flatMap(([name, value]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
  );
  return spentOf(Object.fromEntries(columns));
}
