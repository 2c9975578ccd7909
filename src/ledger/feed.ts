/**
 * The feed of events. Each pool's journal is dense, so a cursor of (pool, last seq) misses nothing and repeats nothing, whatever
 * commits in which order. Being told that something happened only saves waiting for the next look.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { z } from "zod";
import type { JournalRow } from "../database/schema.generated.js";
import type { Scope } from "./call.js";
import { LedgerError } from "./errors.js";

/** What to follow, and from where. */
export interface EventsOptions extends Scope {
  /** A cursor of an earlier event of the same scope, or `now`; from the beginning where left out. */
  readonly after?: string | undefined;
  /** Instead of `after`: begins with that many of the latest events. */
  readonly last?: number | undefined;
  /** Ends when everything there is has been read, instead of waiting for more. */
  readonly follow?: boolean | undefined;
  /** Ends the feed. */
  readonly signal?: AbortSignal | undefined;
}

/** One row of the journal, and the cursor to go on after it. */
export interface LedgerEvent {
  readonly row: JournalRow;
  readonly cursor: string;
}

/** What the feed reads from. */
export interface FeedSource {
  readonly tenantId: string;
  page(after: Readonly<Record<string, string>>, limit: number, scope: Scope): Promise<JournalRow[]>;
  /** What has been seen by whoever has all but the latest `count` events to read: seq per pool. */
  beforeLatest(count: number, scope: Scope): Promise<Record<string, string>>;
  /** Settles when somebody announced events since the last time, or after a while without that. */
  hint(signal: AbortSignal | undefined): Promise<void>;
}

/** Bytes of a cursor unpacked: some hundred thousand pools. What unpacks to more was not made here. */
const LONGEST_CURSOR = 64 * 2 ** 20;

/** Rows per read. */
const PAGE = 500;

/** Yields events without a gap: per pool in order of `seq`, across pools by time as far as one page reaches. */
export async function* feed(
  source: FeedSource,
  options: EventsOptions = {},
): AsyncGenerator<LedgerEvent, void, undefined> {
  const { run, pool, after, last = after === "now" ? 0 : undefined, follow = true, signal } = options;
  const scope = { run, pool };
  const mine: CursorScope = { tenant: source.tenantId, ...scope };
  let seen = last === undefined ? readCursor(after, mine) : await source.beforeLatest(last, scope);
  while (!signal?.aborted) {
    const rows = await source.page(seen, PAGE, scope);
    const base = seen;
    for (const [index, row] of rows.entries()) {
      if (signal?.aborted) return;
      yield {
        row,
        // Made when it is asked for: it names every pool seen so far.
        get cursor() {
          return writeCursor(advanced(base, rows.slice(0, index + 1)), mine);
        },
      };
    }
    seen = advanced(base, rows);
    if (rows.length > 0) continue;
    if (!follow) return;
    await source.hint(signal);
  }
}

function advanced(seen: Readonly<Record<string, string>>, rows: readonly JournalRow[]): Record<string, string> {
  return { ...seen, ...Object.fromEntries(rows.map((row) => [row.pool_id, row.seq])) };
}

const scopeSchema = z.strictObject({ tenant: z.string(), run: z.string().optional(), pool: z.string().optional() });

type CursorScope = z.output<typeof scopeSchema>;

const cursorSchema = z.strictObject({
  scope: scopeSchema,
  seen: z.array(z.tuple([z.string(), z.string().regex(/^\d+$/)])),
});

function writeCursor(seen: Readonly<Record<string, string>>, scope: CursorScope): string {
  return deflateRawSync(JSON.stringify({ scope, seen: Object.entries(seen) })).toString("base64url");
}

/** @throws {LedgerError} LG001 for what is no cursor, or one of another scope: going on after it would skip or repeat. */
function readCursor(cursor: string | undefined, scope: CursorScope): Record<string, string> {
  if (cursor === undefined) return {};
  const refuse = (rule: string): LedgerError =>
    new LedgerError("LG001", `after: ${rule}`, { detail: { path: "after", rule } });
  let parsed: z.output<typeof cursorSchema>;
  try {
    parsed = cursorSchema.parse(
      JSON.parse(inflateRawSync(Buffer.from(cursor, "base64url"), { maxOutputLength: LONGEST_CURSOR }).toString()),
    );
  } catch {
    throw refuse("must be the cursor of an event, as it was given");
  }
  const { tenant, run, pool } = parsed.scope;
  if (tenant !== scope.tenant || run !== scope.run || pool !== scope.pool) {
    throw refuse("is a cursor of another tenant, run or pool");
  }
  return Object.fromEntries(parsed.seen);
}
