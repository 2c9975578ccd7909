/** What the ledger has of a session, read from its views. */
import type { Kysely } from "kysely";
import type { LedgerViews } from "../../database/schema.generated.js";
import { sum } from "../../ledger/amounts.js";
import { add, type Dollars, type Figures, type Measured, NOTHING, UNNAMED } from "./figures.js";
import { correctionPrefix } from "./ids.js";

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
  readonly end?: Entry & { readonly models: ReadonlyMap<string, Figures> };
}

/** What the ledger has of a session. */
export interface Booked {
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
      ...(end === undefined ? {} : { end: { ...entry(end), models: models.get(node_id) ?? new Map() } }),
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

/** In which pool each of these operations is booked, or was refused. */
export async function readWhere({ db, tenantId }: Reading, ids: readonly string[]): Promise<Map<string, string>> {
  const where = new Map<string, string>();
  for (let start = 0; start < ids.length; start += 10_000) {
    const some = ids.slice(start, start + 10_000);
    for (const { operation_id, pool_id } of [...(await refused(some)), ...(await journalled(some))]) {
      if (pool_id !== null) where.set(operation_id, pool_id);
    }
  }
  return where;

  function refused(some: readonly string[]) {
    const view = db.selectFrom("refusals").select(["operation_id", "pool_id"]).where("tenant_id", "=", tenantId);
    return view.where("operation_id", "in", some).execute();
  }

  function journalled(some: readonly string[]) {
    const view = db.selectFrom("journal").select(["operation_id", "pool_id"]).where("tenant_id", "=", tenantId);
    return view.where("operation_id", "in", some).where("source_pool_id", "is", null).execute();
  }
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
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", session)
    .where("source_pool_id", "is", null)
    .where("kind", "in", KINDS)
    .orderBy("seq")
    .execute();
}

/** Booked usage of children, by node and model. */
async function modelsOf({ db, tenantId }: Reading, session: string): Promise<Map<string, Map<string, Figures>>> {
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
    ])
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", session)
    .where("node_id", "<>", session)
    .execute();
  const nodes = new Map<string, Map<string, Figures>>();
  for (const row of rows) {
    const models = nodes.get(row.node_id) ?? new Map<string, Figures>();
    const model = row.model ?? UNNAMED;
    models.set(model, add(models.get(model) ?? NOTHING, figuresIn(row)));
    nodes.set(row.node_id, models);
  }
  return nodes;
}

function entryOf(row: Row, corrections: readonly Row[]): Entry {
  const of = row.operation_id;
  const all = [row, ...corrections];
  const last = all.at(-1) ?? row;
  const others = corrections.filter(({ operation_id }) => !operation_id.startsWith(correctionPrefix(of)));
  const moved = others.map(figuresIn).reduce(add, NOTHING);
  const dollars = all.filter(({ usd }) => usd !== null).map(({ usd }) => usd ?? "0");
  return {
    of,
    figures: { ...all.map(figuresIn).reduce(add, NOTHING), known: last.tokens_known ?? true },
    ...(dollars.length === 0 ? {} : { dollars: { usd: sum(dollars), usd_known: last.usd_known ?? false } }),
    tools: all.flatMap(({ tool_calls }) => (Array.isArray(tool_calls) ? tool_calls.map(String) : [])),
    ...agentOf(row.detail),
    corrections: corrections.length - others.length,
    touched: others.length > 0 && (moved.input !== 0 || moved.output !== 0 || moved.iterations !== 0),
  };
}

function agentOf(detail: unknown): { agent?: string } {
  const agent = (detail as { agent?: unknown } | null)?.agent;
  return typeof agent === "string" ? { agent } : {};
}

/** The columns of usage, exact text in the views; an import's own amounts are safe integers. */
type UsageColumns = Pick<
  Row,
  "iterations" | "input_tokens" | "output_tokens" | "cache_read_tokens" | "cache_write_tokens"
>;

function figuresIn(row: UsageColumns): Figures {
  return {
    iterations: Number(row.iterations ?? 0),
    input: Number(row.input_tokens ?? 0),
    output: Number(row.output_tokens ?? 0),
    cacheRead: Number(row.cache_read_tokens ?? 0),
    cacheWrite: Number(row.cache_write_tokens ?? 0),
  };
}
