/**
 * The export of a tenant or a run as lines of JSON: `header`, then `pool`, `node`, `run`, `event` and `blob` lines, then `footer`,
 * which counts them and holds their digest. `verify.ts` proves such a file without a database. Books that did not change give the same
 * lines, but for the header's time.
 */
import { createHash } from "node:crypto";
import type Big from "big.js";
import { exact, textOf } from "../ledger/amounts.js";
import { bodyOf } from "../ledger/artifacts.js";
import { LedgerError } from "../ledger/errors.js";
import { reading } from "../ledger/snapshot.js";
import { encodeLine, type Fields, withTextAmounts } from "./encode.js";
import {
  blobOf,
  blobPages,
  channelsOf,
  type Event,
  eventsOf,
  nodePages,
  poolPages,
  type Row,
  runPages,
  type Scope,
  stretchesOf,
} from "./read.js";

export const FORMAT = "agent-ledger-export";
export const VERSION = 1;

/** What besides the books is exported, and who is told of progress. */
export interface ExportOptions {
  /** The bytes of artifacts too: of a run, those that its nodes ended with. */
  readonly blobs?: boolean;
  /** Called for every page with how many lines there are so far. */
  readonly onProgress?: (lines: number) => void;
}

/** What postings move. */
export const MOVES = ["funded", "held", "spent", "uncertain"] as const;

/**
 * The lines, each with its line break. Read them all on one snapshot whose values are read by `exportTypes`.
 * @throws {LedgerError} LG003 where there is no such run.
 */
export async function* exportLines(scope: Scope, options: ExportOptions = {}): AsyncGenerator<string, void, undefined> {
  const digest = createHash("sha256");
  const counts = { header: 0, pool: 0, node: 0, run: 0, event: 0, blob: 0 };
  const sums = new Map<string, Record<string, Big>>();
  let lines = 0;
  for await (const { type, fields } of objects(scope, options, sums)) {
    const line = encodeLine(type, fields);
    digest.update(line);
    counts[type] += 1;
    lines += 1;
    if (lines % 500 === 0) options.onProgress?.(lines);
    yield line;
  }
  const channels = [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = channels.map(([channel, of]) => [channel, mapValues(of, textOf)]);
  yield encodeLine("footer", { counts, sums: Object.fromEntries(texts), sha256: digest.digest("hex") });
}

type Body = "header" | "pool" | "node" | "run" | "event" | "blob";

async function* objects(
  scope: Scope,
  { blobs = false }: ExportOptions,
  sums: Map<string, Record<string, Big>>,
): AsyncGenerator<{ type: Body; fields: Fields }, void, undefined> {
  yield { type: "header", fields: await headerOf(scope, blobs) };
  for await (const page of poolPages(scope)) {
    const channels = await channelsOf(scope, page);
    for (const { pool_id, row } of page) {
      const own = (channels.get(pool_id) ?? []).map(({ tenant_id: _, pool_id: __, ...channel }) => channel);
      yield { type: "pool", fields: { ...row, channels: own } };
    }
  }
  const refs = new Set<string>();
  for await (const page of nodePages(scope)) {
    for (const { hold, budget, ...row } of page) {
      if (blobs && scope.run !== undefined && typeof row.out_ref === "string") refs.add(row.out_ref);
      yield { type: "node", fields: { ...row, budget: withTextAmounts(budget), hold: withTextAmounts(hold) } };
    }
  }
  for await (const page of runPages(scope)) for (const row of page) yield { type: "run", fields: row };
  for await (const page of poolPages(scope)) {
    for (const stretch of stretchesOf(page)) {
      for (const event of await eventsOf(scope, stretch)) yield { type: "event", fields: eventFields(event, sums) };
    }
  }
  if (!blobs) return;
  for await (const blob of blobsOf(scope, refs)) {
    const body = await reading(bodyOf(scope.db, scope.tenantId, String(blob.blob_id)));
    yield { type: "blob", fields: { ...blob, body: body?.toString("base64") } };
  }
}

/** A run may stand below a budget that is not exported: what is checked against a parent is then checked inside only. */
async function headerOf({ db, tenantId, run }: Scope, blobs: boolean): Promise<Fields> {
  let outside: string | null = null;
  if (run !== undefined) {
    const roots = db.selectFrom("pools").select(["parent_pool_id", "run_id"]).where("tenant_id", "=", tenantId);
    const root = await reading(roots.where("pool_id", "=", run).where("run_id", "=", run).executeTakeFirst());
    if (!root) throw new LedgerError("LG003", `there is no run ${run}`, { detail: { path: "run", rule: "is no run" } });
    outside = root.parent_pool_id;
  }
  const exported_at = new Date().toISOString();
  const header = { format: FORMAT, version: VERSION, tenant: tenantId, run, exported_at, blobs };
  return outside === null ? header : { ...header, outside: { parent_pool_id: outside } };
}

async function* blobsOf(scope: Scope, refs: ReadonlySet<string>): AsyncGenerator<Row, void, undefined> {
  if (scope.run === undefined) {
    for await (const page of blobPages(scope)) yield* page;
    return;
  }
  for (const ref of [...refs].sort()) {
    const blob = await blobOf(scope, ref);
    if (blob) yield blob;
  }
}

function eventFields({ row, postings, lines }: Event, sums: Map<string, Record<string, Big>>): Fields {
  const moved = postings.map((posting) => {
    const channel = String(posting.channel);
    const before = sums.get(channel) ?? {
      funded: exact("0"),
      held: exact("0"),
      spent: exact("0"),
      uncertain: exact("0"),
    };
    sums.set(
      channel,
      mapValues(before, (sum, move) => sum.plus(String(posting[move]))),
    );
    const moves = [...MOVES, "remainder"].map((move) => [move, posting[move]] as const);
    return { channel, ...Object.fromEntries(moves.filter(([, amount]) => amount !== "0")) };
  });
  const { resources, ...event } = row;
  return {
    ...event,
    resources: withTextAmounts(resources),
    ...(moved.length > 0 && { postings: moved }),
    ...(lines.length > 0 && { lines: lines.map(lineFields) }),
  };
}

/** What a usage line says of its event is in the event. */
const OF_EVENT = new Set([
  ...["tenant_id", "pool_id", "seq", "run_id", "node_id", "kind", "operation_id", "purpose", "tags"],
  ...["effective_at", "recorded_at"],
]);

function lineFields(line: Row): Fields {
  const own = Object.entries(line).filter(([name]) => !OF_EVENT.has(name));
  return { ...Object.fromEntries(own), resources: withTextAmounts(line.resources) };
}

function mapValues<T, R>(all: Readonly<Record<string, T>>, change: (one: T, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(all).map(([name, one]) => [name, change(one, name)]));
}
