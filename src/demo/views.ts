/** The views that the demonstration reads, with the columns it prints. Numerics arrive as text. */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";

interface ChannelsView {
  tenant_id: string;
  pool_id: string;
  channel: string;
  capped: boolean;
  total: string | null;
  free: string | null;
  reserved: string;
  committed: string;
  uncertain: string;
  measured: boolean;
}

interface TrajectoryView {
  tenant_id: string;
  run_id: string;
  node_id: string;
  parent_node_id: string | null;
  path: string[];
  label: string;
  status: string;
  own_charged_tokens: string;
  own_usd: string;
  rolled_up_charged_tokens: string;
  rolled_up_usd: string;
  rolled_up_usd_known: boolean;
}

interface SpentBreakdownView {
  tenant_id: string;
  run_id: string;
  source: "driver_inference" | "child_work" | "total";
  iterations: string;
  input_tokens: string;
  output_tokens: string;
  charged_tokens: string;
  usd: string;
  uncertain_usd: string;
  usd_known: boolean;
}

interface RefusalsView {
  tenant_id: string;
  pool_id: string;
  operation_id: string;
  label: string | null;
  code: string;
  shortfall: { channel: string; requested: string; free: string }[];
}

interface AuditView {
  tenant_id: string;
  pool_id: string | null;
  rule: string;
  detail: unknown;
}

/** Views by their names in schema `ledger`. */
export interface LedgerViews {
  "ledger.channels": ChannelsView;
  "ledger.trajectory": TrajectoryView;
  "ledger.spent_breakdown": SpentBreakdownView;
  "ledger.refusals": RefusalsView;
  "ledger.audit": AuditView;
}

/** A typed reader of the views; it ends with the pool. */
export function viewsOf(pool: pg.Pool): Kysely<LedgerViews> {
  return new Kysely<LedgerViews>({ dialect: new PostgresDialect({ pool }) });
}
