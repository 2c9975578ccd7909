/** Keys of spawns: what the ledger says of a piece of work before it is given out again. It is the ledger that decides races. */
import { referenceOf } from "../../ledger/artifacts.js";
import { canonicalJson } from "../../ledger/canonical-json.js";
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type Booking, expire } from "./calls-in-doubt.js";

/** What became of a key. */
export type Known =
  | { readonly kind: "done"; readonly nodeId: string }
  | { readonly kind: "refused"; readonly code: "key-conflict" | "duplicate-key" };

/** `sha256:<hex>` of a task's canonical JSON. @throws {LedgerError} LG001 where it has none. */
export function taskRefOf(task: unknown): string {
  try {
    return referenceOf(Buffer.from(canonicalJson(task)));
  } catch (error) {
    const rule = "must have one JSON form, because its key names this very work";
    throw new LedgerError("LG001", `task ${rule}`, { detail: { path: "task", rule }, cause: error });
  }
}

/**
 * What is known of the work under a key; undefined where it is to be done. Work whose lease has passed is booked as lost first, unless it
 * is under way in this process after all (`here`).
 */
export async function lookUp(
  booking: Booking,
  poolId: string,
  { key, taskRef }: { readonly key: string; readonly taskRef: string },
  here: (nodeId: string) => boolean,
): Promise<Known | undefined> {
  const { ledger } = booking;
  let last = await keyed(ledger, poolId, key);
  if (last?.lapsed && !here(last.node_id)) {
    await expire(booking, poolId);
    last = await keyed(ledger, poolId, key);
  }
  if (!last) return undefined;
  if (last.task_ref !== taskRef) return { kind: "refused", code: "key-conflict" };
  if (last.status === "done") return { kind: "done", nodeId: last.node_id };
  const open = last.status === "pending" || last.status === "dispatched";
  return open ? { kind: "refused", code: "duplicate-key" } : undefined;
}

function keyed(ledger: Ledger, poolId: string, key: string) {
  return ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select(["node_id", "status", "lapsed", "task_ref"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("parent_node_id", "=", poolId)
      .where("key", "=", key)
      .where("superseded", "=", false)
      .executeTakeFirst(),
  );
}
