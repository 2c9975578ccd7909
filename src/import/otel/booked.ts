/** What the ledger has of traces, read from its views. */
import type { Ledger } from "../../ledger/ledger.js";
import { isEmbedding } from "./kinds.js";
import type { Booked } from "./plan.js";

/** The part of a ledger that is written to and read here. */
export type Writing = Pick<Ledger, "apply" | "read" | "tenantId">;

/** What is known of traces. */
export interface Known {
  /** Traces whose pool exists, and what that stands under. */
  readonly opened: ReadonlyMap<string, string | null>;
  /** By trace, by span. */
  readonly booked: ReadonlyMap<string, ReadonlyMap<string, Booked>>;
}

/** Reads the traces; each in the pool that it is booked in. */
export async function readKnown(ledger: Writing, pools: ReadonlyMap<string, string>): Promise<Known> {
  const ids = [...new Set(pools.values())];
  const there = await ledger.read((db) =>
    db
      .selectFrom("pools")
      .select(["pool_id", "parent_pool_id"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("pool_id", "in", ids)
      .execute(),
  );
  const exists = new Map(there.map(({ pool_id, parent_pool_id }) => [pool_id, parent_pool_id]));
  const opened = new Map(
    [...pools].filter(([, pool]) => exists.has(pool)).map(([trace, pool]) => [trace, exists.get(pool) ?? null]),
  );
  const booked = new Map<string, Map<string, Booked>>();
  if (exists.size === 0) return { opened, booked };

  const rows = await ledger.read((db) =>
    db
      .selectFrom("journal")
      .select(["pool_id", "seq", "operation_id", "corrects_seq", "purpose", "tokens_known", "input_tokens", "detail"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("pool_id", "in", [...exists.keys()])
      .where("kind", "in", ["metered", "corrected"])
      .where((row) => row.or([...opened.keys()].map((trace) => row("operation_id", "like", `otel:${trace}:%`))))
      .execute(),
  );
  const zeroed = new Set(rows.filter(isWrapped).map(({ pool_id, corrects_seq }) => `${pool_id}:${corrects_seq}`));
  for (const row of rows) {
    const told = toldOf(row.detail);
    if (row.corrects_seq !== null || !told || row.pool_id !== pools.get(told.trace)) continue;
    const spans = booked.get(told.trace) ?? new Map<string, Booked>();
    const isZeroed = zeroed.has(`${row.pool_id}:${row.seq}`);
    const kind = row.purpose === "tool" ? "tool" : "call";
    spans.set(told.span, { ...told, kind, zeroed: isZeroed });
    booked.set(told.trace, spans);
  }
  return { opened, booked };
}

/** The pools in which operations stand that were booked; looked for in all of the tenant's. */
export async function poolsOf(ledger: Writing, operations: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (operations.length === 0) return new Map();
  const rows = await ledger.read((db) =>
    db
      .selectFrom("journal")
      .select(["operation_id", "pool_id"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("operation_id", "in", operations)
      .where("kind", "=", "metered")
      .execute(),
  );
  return new Map(rows.map(({ operation_id, pool_id }) => [operation_id, pool_id]));
}

function isWrapped({ operation_id, corrects_seq }: { operation_id: string; corrects_seq: string | null }): boolean {
  return corrects_seq !== null && operation_id.endsWith(":wrapper");
}

/** What a row says of its span; undefined where it is of none. */
function toldOf(detail: unknown): (Omit<Booked, "kind" | "zeroed"> & { readonly trace: string }) | undefined {
  const told = (detail as { otel?: Partial<Record<string, unknown>> } | null)?.otel;
  if (typeof told?.trace !== "string" || typeof told.span !== "string") return undefined;
  const above = Array.isArray(told.above) ? told.above.filter((one) => typeof one === "string") : [];
  const { trace, span, stated, operation, digest } = told;
  return { trace, span, above, stated: stated === true, embeds: isEmbedding(operation), digest: String(digest) };
}
