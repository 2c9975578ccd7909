/** Breaches of nodes and operations. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

const node = (nodeId: string, assignment: string): string =>
  `update ledger_private.nodes set ${assignment} where node_id = '${nodeId}'`;

const NODES: readonly Breach[] = [
  unique("nodes_pkey", "a second node of the same id", copyOf("nodes", "node_id = 'leaf'", {})),
  foreignKey("nodes_tenant_fkey", "a node of no tenant", copyOf("nodes", "node_id = 'top'", { tenant_id: "nobody" })),
  foreignKey("nodes_parent_fkey", "a child of no pool", node("waiting", "parent_node_id = 'nowhere'")),
  foreignKey("nodes_parent_fkey", "a child of a leaf, which owns no pool", node("waiting", "parent_node_id = 'leaf'")),
  check("nodes_parent_other", "a child of itself", node("run", "parent_node_id = node_id")),
  check("nodes_root_owns_pool", "a root that drives nothing", node("top", "driver = false")),
  check("nodes_status_known", "a status nobody knows", node("leaf", "status = 'lost'")),
  check(
    "nodes_ended_has_time",
    "an end without a time",
    node("leaf", "ended_at = null, terminal_seq = null, cursor = null"),
  ),
  check("nodes_ended_has_time", "the time of an end that was not", node("waiting", "ended_at = now()")),
  check("nodes_terminal_row_of_ended", "the last row of a node at work", node("waiting", "terminal_seq = 1")),
  check("nodes_cursor_of_ended", "the delivery of a node at work", node("waiting", "cursor = 0")),
  check("nodes_cursor_of_ended", "a delivery before the first", node("leaf", "cursor = -1")),
  check("nodes_cursor_of_ended", "the delivery of a row before the first", node("leaf", "terminal_seq = 0")),
  check("nodes_dispatched_has_time", "a dispatch at no time", node("waiting", "status = 'dispatched'")),
  check("nodes_superseded_has_key", "a node that another followed without a key", node("leaf", "superseded = true")),
  check("nodes_budget_object", "a budget that is a list", node("waiting", "budget = '[]'")),
  check("nodes_budget_object", "a hold that is a number", node("waiting", "hold = '5'")),
  check("nodes_late_only_ended", "a late end that was not", node("waiting", "late = true")),
  check("nodes_task_ref_sha256", "a task by its name", node("waiting", "task_ref = 'task'")),
  unique(
    "nodes_key_once",
    "a second child of the same key",
    copyOf("nodes", "node_id = 'waiting'", { node_id: "twin" }),
  ),
];

const where = "operation_id = 'turn'";
const refusal = (assignment: string): string =>
  `update ledger_private.operations set ${assignment} where code is not null`;

const OPERATIONS: readonly Breach[] = [
  unique("operations_pkey", "an operation id used twice", copyOf("operations", where, {})),
  check(
    "operations_digest_sha256",
    "content that was hashed otherwise",
    `update ledger_private.operations set digest = 'short' where ${where}`,
  ),
  check("operations_refusal_has_no_row", "a refusal that moved something", refusal("seq = 1")),
  check("operations_code_known", "a refusal for no reason of ours", refusal("code = 'not-today'")),
];

export const NODE_BREACHES: readonly Breach[] = [...NODES, ...OPERATIONS];
