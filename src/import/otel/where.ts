/** Looks up where spans are to be booked, before any is. */
import { Complaint } from "../../database/complaint.js";
import type { Ledger } from "../../ledger/ledger.js";
import { readParent } from "../arms/parent.js";
import type { Where } from "./ingest.js";

/**
 * Checks it.
 * @throws {Complaint} where there is no such pool, or it is none that runs of unknown size can stand under.
 */
export async function checkWhere(ledger: Pick<Ledger, "db" | "tenantId">, { parent, pool }: Where): Promise<void> {
  if (parent !== undefined && pool !== undefined) throw new Complaint("Name a parent or a pool, not both");
  if (parent !== undefined) {
    const { capped } = await readParent(ledger, parent);
    const channel = ["tokens", "iterations"].find((name) => capped.has(name));
    if (channel === undefined) return;
    throw new Complaint(
      `The pool ${parent} caps ${channel}, which each run below it has to reserve, and how large a trace will be nobody knows: name it with --pool`,
    );
  }
  if (pool === undefined) return;
  const { db, tenantId } = ledger;
  const found = db.selectFrom("pools").select("pool_id").where("tenant_id", "=", tenantId).where("pool_id", "=", pool);
  if (!(await found.executeTakeFirst())) {
    throw new Complaint(`There is no pool ${pool}: agent-ledger pool open ${pool} opens one`);
  }
}
