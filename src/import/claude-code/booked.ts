/** What the ledger has of a session, read from its views. */
import type { Kysely } from "kysely";
import type { LedgerViews } from "../../database/schema.generated.js";
import { sum } from "../../ledger/amounts.js";
import type { Holder, Holders } from "./claims.js";
import { add, type Dollars, type Figures, type Measured, NOTHING, UNNAMED } from "./figures.js";
import { correctionPrefix, RUNTIME } from "./ids.js";

/** The reading side of a ledger. */
export interface Reading {
  readonly tenantId: string;
  readonly db: Kysely<LedgerViews>;
}

/** A spend as it is booked now: the event with its corrections. */
export interface Entry {
  /** The operation that booked it: what `correct` calls `of`. */
  readonly of: string;
  readonly figures: Measured;
  /** Dollars that somebody gave: what the ledger took from a book of prices it takes again. */
  readonly dollars?: Dollars;
  readonly tools: readonly string[];
  /** The child whose call it is, where the budget did not let that child in. */
  readonly agent?: string;
  /** Corrections made by imports. */
  readonly corrections: number;
  /** Whether a correction by somebody else changed its tokens. */
  readonly touched: boolean;
}

/** A child as it is booked now. */
export interface BookedChild {
  readonly spawnedBy: string;
  readonly dispatched: boolean;
  /** Its end, once there is one, with what is booked per model. */
  readonly end?: Entry & PerModel;
}

/** What is booked of a child per model: tokens, and dollars that somebody gave. */
export interface PerModel {
  readonly models: ReadonlyMap<string, Figures>;
  readonly usd: ReadonlyMap<string, string>;
}

/** What the ledger has of a session. */
export interface Booked {
  /** Whether a pool of that name exists which is no run: nothing can be booked. */
  readonly foreign?: boolean;
  /** Channels that the run's pool caps; undefined where there is no such pool. */
  readonly capped?: ReadonlySet<string>;
  /** Metered calls, by operation id. */
  readonly metered: ReadonlyMap<string, Entry>;
  /** Children, by node id. */
  readonly children: ReadonlyMap<string, BookedChild>;
  /** Whether anything of a driver's turns is booked. */
  readonly turns: boolean;
}

const ENDINGS = ["settled", "cancelled", "expired"] as const;

/** The kinds of rows that say what is booked of a session. */
const KINDS = ["metered", "corrected", "spawned", "dispatched", ...ENDINGS] as const;

/** Reads the books of one run. */
export async function readBooked({ db, tenantId }: Reading, session: string): Promise<Booked> {
  const channels = await db
    .selectFrom("channels")
    .select(["channel", "capped"])
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", session)
    .execute();
  if (channels.length === 0) return { metered: new Map(), children: new Map(), turns: false };

  const run = await db
    .selectFrom("runs")
    .select("run_id")
    .where("tenant_id", "=", tenantId)
    .where("run_id", "=", session)
    .execute();
  if (run.length === 0) return { foreign: true, metered: new Map(), children: new Map(), turns: false };

  const rows = await journal({ db, tenantId }, session);
  const models = await modelsOf({ db, tenantId }, session);
  const corrections = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.corrects_seq !== null)
      corrections.set(row.corrects_seq, [...(corrections.get(row.corrects_seq) ?? []), row]);
  }
  const entry = (row: Row): Entry => entryOf(row, corrections.get(row.seq) ?? []);
  const metered = new Map(rows.filter(({ kind }) => kind === "metered").map((row) => [row.operation_id, entry(row)]));
  const dispatched = new Set(rows.filter(({ kind }) => kind === "dispatched").map(({ node_id }) => node_id));
  const ends = new Map(
    rows.filter(({ kind }) => ENDINGS.some((ending) => ending === kind)).map((row) => [row.node_id, row]),
  );
  const children = new Map<string, BookedChild>();
  for (const { kind, node_id, operation_id } of rows) {
    if (kind !== "spawned") continue;
    const end = ends.get(node_id);
    children.set(node_id, {
      spawnedBy: operation_id,
      dispatched: dispatched.has(node_id),
      ...(end === undefined
        ? {}
        : { end: { ...entry(end), ...(models.get(node_id) ?? { models: new Map(), usd: new Map() }) } }),
    });
  }
  const capped = new Set(channels.filter((row) => row.capped).map(({ channel }) => channel));
  return {
    capped,
    metered,
    children,
    turns: rows.some(({ kind, purpose }) => kind === "metered" && purpose === "turn"),
  };
}

/** In which pool operations are booked, or were refused. */
export interface Places {
  readonly where: Map<string, string>;
  /** Those refused, and not booked. */
  readonly refused: Set<string>;
}

/** Asks it of these operations. */
export async function readPlaces({ db, tenantId }: Reading, ids: readonly string[]): Promise<Places> {
  const places: Places = { where: new Map(), refused: new Set() };
  for (let start = 0; start < ids.length; start += 10_000) {
    const some = ids.slice(start, start + 10_000);
    for (const { operation_id, pool_id } of await refused(some)) {
      if (pool_id !== null) places.where.set(operation_id, pool_id);
      places.refused.add(operation_id);
    }
    for (const { operation_id, pool_id } of await journalled(some)) {
      if (pool_id !== null) places.where.set(operation_id, pool_id);
      places.refused.delete(operation_id);
    }
  }
  return places;

  function refused(some: readonly string[]) {
    const view = db.selectFrom("refusals").select(["operation_id", "pool_id"]).where("tenant_id", "=", tenantId);
    return view.where("operation_id", "in", some).execute();
  }

  function journalled(some: readonly string[]) {
    const view = db.selectFrom("journal").select(["operation_id", "pool_id"]).where("tenant_id", "=", tenantId);
    return view.where("operation_id", "in", some).where("source_pool_id", "is", null).execute();
  }
}

/** By how many calls a child grew after it was settled: its marks do not tell which. */
export async function readGrowth({ db, tenantId }: Reading, { session, node }: Holder): Promise<number> {
  const rows = await db
    .selectFrom("journal")
    .select("iterations")
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", session)
    .where("node_id", "=", node)
    .where("kind", "=", "corrected")
    .where("source_pool_id", "is", null)
    .execute();
  return Math.max(0, Number(sum(rows.map(({ iterations }) => iterations ?? "0"))));
}

/** What all children of sessions hold. */
export async function readHolders({ db, tenantId }: Reading): Promise<Holders> {
  const rows = await db
    .selectFrom("nodes")
    .select(["node_id", "run_id", "verdict"])
    .where("tenant_id", "=", tenantId)
    .where("runtime", "=", RUNTIME)
    .orderBy("node_id")
    .execute();
  const calls = new Map<string, Holder>();
  for (const { node_id, run_id, verdict } of rows) {
    const marks = (verdict as { calls?: unknown } | null)?.calls;
    if (run_id === null || !Array.isArray(marks)) continue;
    for (const mark of marks) if (!calls.has(mark)) calls.set(mark, { node: node_id, session: run_id });
  }
  return { nodes: new Set(rows.map(({ node_id }) => node_id)), calls };
}

type Row = Awaited<ReturnType<typeof journal>>[number];

function journal({ db, tenantId }: Reading, session: string) {
  return db
    .selectFrom("journal")
    .select([
      "seq",
      "kind",
      "operation_id",
      "node_id",
      "purpose",
      "tool_calls",
      "corrects_seq",
      "tokens_known",
      "usd",
      "usd_known",
    ])
    .select(["detail", "iterations", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"])
    .select("cache_write_1h_tokens")
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", session)
    .where("source_pool_id", "is", null)
    .where("kind", "in", KINDS)
    .orderBy("seq")
    .execute();
}

/** Booked usage of children, by node and model. */
async function modelsOf({ db, tenantId }: Reading, session: string): Promise<Map<string, PerModel>> {
  const rows = await db
    .selectFrom("usage_lines")
    .select([
      "node_id",
      "model",
      "iterations",
      "input_tokens",
      "output_tokens",
      "cache_read_tokens",
      "cache_write_tokens",
      "cache_write_1h_tokens",
      "usd",
    ])
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", session)
    .where("node_id", "<>", session)
    .execute();
  const nodes = new Map<string, { models: Map<string, Figures>; usd: Map<string, string> }>();
  for (const row of rows) {
    const { models, usd } = nodes.get(row.node_id) ?? { models: new Map(), usd: new Map() };
    const model = row.model ?? UNNAMED;
    models.set(model, add(models.get(model) ?? NOTHING, figuresIn(row)));
    if (row.usd !== null) usd.set(model, sum([usd.get(model) ?? "0", row.usd]));
    nodes.set(row.node_id, { models, usd });
  }
  return nodes;
}

function entryOf(row: Row, corrections: readonly Row[]): Entry {
  const of = row.operation_id;
  const all = [row, ...corrections];
  const last = all.at(-1) ?? row;
  const others = corrections.filter(({ operation_id }) => !operation_id.startsWith(correctionPrefix(of)));
  const moved = others.map(figuresIn).reduce(add, NOTHING);
  const given = all.filter((one) => isGiven(one, one === row || others.includes(one)));
  const dollars = given.length === 0 ? [] : all.flatMap(({ usd }) => usd ?? []);
  return {
    of,
    figures: { ...all.map(figuresIn).reduce(add, NOTHING), known: last.tokens_known ?? true },
    ...(dollars.length === 0 ? {} : { dollars: { usd: sum(dollars), usd_known: last.usd_known ?? false } }),
    tools: all.flatMap(({ tool_calls }) => (Array.isArray(tool_calls) ? tool_calls.map(nameOf) : [])),
    ...agentOf(row.detail),
    corrections: corrections.length - others.length,
    touched: others.length > 0 && (moved.input !== 0 || moved.output !== 0 || moved.iterations !== 0),
  };
}

/** The name of a tool call, which is all of it or one of its keys. */
function nameOf(call: unknown): string {
  return String((call as { name?: unknown } | null)?.name ?? call);
}

/** Whether a row states dollars of somebody's own. A correction always has a difference: one of 0 may mean that nobody knows. */
function isGiven({ usd, usd_known, detail, corrects_seq }: Row, byOthers: boolean): boolean {
  const ofBook = (detail as { price_book?: unknown } | null)?.price_book !== undefined;
  if (!byOthers || ofBook || usd === null) return false;
  return corrects_seq === null || usd_known === true || !/^-?0(?:\.0*)?$/.test(usd);
}

function agentOf(detail: unknown): { agent?: string } {
  const agent = (detail as { agent?: unknown } | null)?.agent;
  return typeof agent === "string" ? { agent } : {};
}

/** The columns of usage, exact text in the views; an import's own amounts are safe integers. */
type UsageColumns = Pick<
  Row,
  "iterations" | "input_tokens" | "output_tokens" | "cache_read_tokens" | "cache_write_tokens" | "cache_write_1h_tokens"
>;

function figuresIn(row: UsageColumns): Figures {
  return {
    iterations: Number(row.iterations ?? 0),
    input: Number(row.input_tokens ?? 0),
    output: Number(row.output_tokens ?? 0),
    cacheRead: Number(row.cache_read_tokens ?? 0),
    cacheWrite: Number(row.cache_write_tokens ?? 0),
    cacheWrite1h: Number(row.cache_write_1h_tokens ?? 0),
  };
}
