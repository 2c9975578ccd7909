/** Where a run's spend comes from: its sources, what its drivers used their calls for, and its models. */
import { sql } from "kysely";
import type { SpentBreakdownRow } from "../../database/schema.generated.js";
import { sum } from "../../ledger/amounts.js";
import type { Ledger } from "../../ledger/ledger.js";
import {
  CALLS,
  CALLS_KNOWN,
  ESTIMATED_USD,
  linesOf,
  RECEIPT_USD,
  TOKENS_KNOWN,
  UNKNOWN_USD_EVENTS,
  USD,
  USD_KNOWN,
} from "../../ledger/usage-lines.js";

/** Figures of a part. Dollars that nobody reported are null. */
export interface Figures {
  readonly calls: string;
  readonly input_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly output_tokens: string;
  readonly usd: string | null;
  /** Dollars by what they rest on: receipts, charges without one, and events that nobody could price. */
  readonly receipt_usd: string;
  readonly estimated_usd: string;
  readonly unknown_usd_events: string;
  /** False where something was used of which nobody said what it was. */
  readonly calls_known: boolean;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
}

/** A run's spend in parts; `sources` is the view's three rows, whose sums the other lists repeat in more detail. */
export interface BreakdownReport {
  readonly run_id: string;
  readonly sources: readonly SpentBreakdownRow[];
  readonly driver_by_purpose: readonly (Figures & { readonly purpose: string | null })[];
  readonly children: Figures;
  readonly by_model: readonly (Figures & { readonly provider: string | null; readonly model: string | null })[];
}

type Part = Figures & { driver: boolean; purpose: string | null; provider: string | null; model: string | null };

/** The breakdown of a run; undefined where there is no such run. */
export async function readBreakdown(ledger: Ledger, runId: string): Promise<BreakdownReport | undefined> {
  const sources = await ledger.db
    .selectFrom("spent_breakdown")
    .selectAll()
    .where("tenant_id", "=", ledger.tenantId)
    .where("run_id", "=", runId)
    .execute();
  if (sources.length === 0) return undefined;
  const parts = await readParts(ledger, runId);
  const driver = parts.filter((part) => part.driver);
  return {
    run_id: runId,
    sources: ["driver_inference", "child_work", "total"].flatMap((name) =>
      sources.filter((row) => row.source === name),
    ),
    driver_by_purpose: grouped(driver, ({ purpose }) => ({ purpose })),
    children: addUp(parts.filter((part) => !part.driver)),
    by_model: grouped(parts, ({ provider, model }) => ({ provider, model })),
  };
}

/** Usage lines of the run, summed by who used them, for what, and on which model. */
function readParts(ledger: Ledger, runId: string): Promise<Part[]> {
  return linesOf(ledger, { run: runId })
    .select([
      sql<boolean>`u.node_id = u.pool_id`.as("driver"),
      "u.purpose",
      "u.provider",
      "u.model",
      CALLS.as("calls"),
      CALLS_KNOWN.as("calls_known"),
      sql<string>`sum(u.input_tokens)`.as("input_tokens"),
      sql<string>`sum(u.cache_read_tokens)`.as("cache_read_tokens"),
      sql<string>`sum(u.cache_write_tokens)`.as("cache_write_tokens"),
      sql<string>`sum(u.output_tokens)`.as("output_tokens"),
      USD.as("usd"),
      RECEIPT_USD.as("receipt_usd"),
      ESTIMATED_USD.as("estimated_usd"),
      UNKNOWN_USD_EVENTS.as("unknown_usd_events"),
      TOKENS_KNOWN.as("tokens_known"),
      USD_KNOWN.as("usd_known"),
    ])
    .groupBy([sql`1`, "u.purpose", "u.provider", "u.model"])
    .orderBy(sql`sum(u.input_tokens)`, "desc")
    .execute();
}

/** Parts with the same key added up, the largest first as they come. */
function grouped<K extends Readonly<Record<string, unknown>>>(
  parts: readonly Part[],
  keyOf: (part: Part) => K,
): (Figures & K)[] {
  const groups = new Map<string, { key: K; parts: Part[] }>();
  for (const part of parts) {
    const key = keyOf(part);
    const group = groups.get(JSON.stringify(key)) ?? { key, parts: [] };
    group.parts.push(part);
    groups.set(JSON.stringify(key), group);
  }
  return [...groups.values()].map((group) => ({ ...group.key, ...addUp(group.parts) }));
}

/** Figures that are never null. */
type Summed = Exclude<keyof Figures, "usd" | "calls_known" | "tokens_known" | "usd_known">;

function addUp(parts: readonly Part[]): Figures {
  const total = (key: Summed): string => sum(parts.map((part) => part[key]));
  const dollars = parts.map((part) => part.usd).filter((usd) => usd !== null);
  const usdKnown = parts.every((part) => part.usd_known);
  return {
    calls: total("calls"),
    input_tokens: total("input_tokens"),
    cache_read_tokens: total("cache_read_tokens"),
    cache_write_tokens: total("cache_write_tokens"),
    output_tokens: total("output_tokens"),
    // Nothing spent is no dollars; something spent that nobody priced is not.
    usd: dollars.length > 0 || usdKnown ? sum(dollars) : null,
    receipt_usd: total("receipt_usd"),
    estimated_usd: total("estimated_usd"),
    unknown_usd_events: total("unknown_usd_events"),
    calls_known: parts.every((part) => part.calls_known),
    tokens_known: parts.every((part) => part.tokens_known),
    usd_known: usdKnown,
  };
}
