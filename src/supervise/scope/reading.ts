/** What the views tell of a driver's children, in the words of the runtime. */
import type { Selectable } from "kysely";
import type { JournalRow, NodesRow } from "../../database/schema.generated.js";
import { sum, wholeNumber } from "../../ledger/amounts.js";
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Amount } from "../../ledger/protocol.js";
import type { Verdict } from "../executor.js";
import type { Child } from "../scope.js";
import type { Done, Handle, Spent } from "../settled.js";
import { bestChild, bestOf } from "./best-child.js";
import { storedVerdict } from "./reported.js";
import type { End } from "./scope-events.js";

type Node = Selectable<NodesRow>;
type Event = Selectable<JournalRow>;

/** Statuses of nodes whose end is not booked. */
export const OPEN = ["pending", "dispatched"] as const;

/** Why the ledger ends what was not heard of. */
const LEASE_EXPIRED = "lease-expired";

/** A child and all the ledger has of its spend; null while it has not ended. */
export interface NodeEnd {
  readonly node: Node;
  readonly spent: Spent | null;
}

export function handleOf({ node_id, label, key, driver }: Pick<Node, "node_id" | "label" | "key" | "driver">): Handle {
  return { nodeId: node_id, label, key: key ?? undefined, driver };
}

/** A verdict as the runtime stored it; undefined for none, or another program's. */
export function verdictOf(stored: unknown): Verdict | undefined {
  const parsed = storedVerdict.safeParse(stored);
  return parsed.success ? (parsed.data as Verdict) : undefined;
}

/** Why a node that is not done has ended. */
export function downReasonOf({ status, reason }: Pick<Node, "status" | "reason">): string {
  return reason ?? (status === "expired" ? LEASE_EXPIRED : status);
}

/** Whether it was the infrastructure: said so, or never begun, or never heard of again. */
export function infraOf({ status, reason, infra }: Pick<Node, "status" | "reason" | "infra">): boolean {
  return infra ?? (status === "cancelled" || status === "expired" || reason === LEASE_EXPIRED);
}

const COUNTS = [
  "iterations",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "charged_tokens",
  "ms",
] as const;

/** A spend as answers, journal rows and the trajectory have it: what is null was not consumed, or is unknown. */
export function spentOf(row: Readonly<Record<string, unknown>>): Spent {
  const counts = Object.fromEntries(COUNTS.map((name) => [name, wholeNumber(String(row[name] ?? 0))]));
  return {
    ...(counts as Record<(typeof COUNTS)[number], number | string>),
    usd: (row.usd ?? null) as string | null,
    tokens_known: row.tokens_known !== false,
    usd_known: row.usd_known !== false,
    resources: addedResources([row.resources]),
  };
}

/** What a journal row has of a named resource; `unknown` counts the ceilings in it that were charged for silence. */
interface Booked {
  readonly amount: Amount;
  readonly unknown?: Amount;
}

/** Named resources of rows, added up; null for none. */
export function addedResources(rows: readonly unknown[]): Spent["resources"] {
  const by = new Map<string, Booked[]>();
  for (const row of rows) {
    for (const [name, booked] of Object.entries((row ?? {}) as Record<string, Booked>)) {
      by.set(name, [...(by.get(name) ?? []), booked]);
    }
  }
  if (by.size === 0) return null;
  const named = [...by].sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(
    named.map(([name, all]) => {
      const isKnown = sum(all.map(({ unknown = 0 }) => unknown)) === "0";
      return [name, { amount: sum(all.map(({ amount }) => amount)), ...(!isKnown && { known: false as const }) }];
    }),
  );
}

/** The spend of an end and of what was corrected since: differences add up, the last word says what is known. */
function spentInRows(rows: readonly Event[]): Spent | null {
  const [first] = rows;
  const last = rows.at(-1);
  if (!first || !last || rows.length === 1) return first ? spentOf({ ...first }) : null;
  const total = (name: keyof Event): string => sum(rows.map((row) => String(row[name] ?? 0)));
  const counts = Object.fromEntries(COUNTS.map((name) => [name, total(name)]));
  const usd = total("usd");
  // A difference is never null: nothing at all that is not known either is what nobody knows.
  const told = { ...last, ...counts, usd: usd === "0" && last.usd_known === false ? null : usd };
  return { ...spentOf(told), resources: addedResources(rows.map(({ resources }) => resources)) };
}

/** Children of a pool in the order of their spawning. */
export async function childrenOf(ledger: Ledger, poolId: string): Promise<Child[]> {
  return (await endsOf(ledger, poolId)).map(childOf);
}

/** A child as its driver sees it. */
export function childOf({ node, spent }: NodeEnd): Child {
  const { status, out_ref: outRef, reason } = node;
  const terminalSeq = node.terminal_seq === null ? null : Number(node.terminal_seq);
  return { ...handleOf(node), status, verdict: verdictOf(node.verdict), outRef, reason, terminalSeq, spent };
}

/**
 * One child: its row, its terminal row and what was corrected since, each by its key.
 * @throws {LedgerError} LG003 where the pool has no such child.
 */
export async function endOf(ledger: Ledger, poolId: string, nodeId: string): Promise<NodeEnd> {
  return ledger.read(async () => {
    const node = await nodesOf(ledger, poolId).where("node_id", "=", nodeId).executeTakeFirst();
    if (!node) throw new LedgerError("LG003", `${nodeId} is no child of ${poolId}`, { detail: { path: "node_id" } });
    const seq = node.terminal_seq;
    if (seq === null) return { node, spent: null };
    const rows = await eventsOf(ledger, poolId)
      .where((row) => row.or([row("seq", "=", seq), row("corrects_seq", "=", seq)]))
      .execute();
    const late = node.driver ? await lateIn(ledger, nodeId) : [];
    return { node, spent: await spentIn(ledger, node, rows, late) };
  });
}

async function endsOf(ledger: Ledger, poolId: string): Promise<NodeEnd[]> {
  return ledger.read(async () => {
    const rows = await nodesOf(ledger, poolId).execute();
    const ends = await eventsOf(ledger, poolId)
      .where("kind", "in", ["settled", "cancelled", "expired", "corrected"])
      .execute();
    const by = new Map<string, Event[]>();
    for (const event of ends) {
      // What was carried up from the pool of a driver corrects no row here.
      const end = event.corrects_seq ?? (event.kind === "corrected" ? event.node_id : event.seq) ?? event.seq;
      by.set(end, [...(by.get(end) ?? []), event]);
    }
    rows.sort((a, b) => a.spawned_at.getTime() - b.spawned_at.getTime() || placeOf(a.node_id) - placeOf(b.node_id));
    const spent = (node: Node) =>
      spentIn(ledger, node, by.get(node.terminal_seq ?? "") ?? [], by.get(node.node_id) ?? []);
    return Promise.all(rows.map(async (node) => ({ node, spent: await spent(node) })));
  });
}

/** What a driver's pool booked after its end: a call taken for lost, a correction. It comes after the pool's `closed` row. */
function lateIn(ledger: Ledger, poolId: string): Promise<Event[]> {
  const closed = eventsOf(ledger, poolId).where("kind", "=", "closed").clearSelect().clearOrderBy().select("seq");
  return eventsOf(ledger, poolId).where("seq", ">", closed).where("kind", "in", ["metered", "corrected"]).execute();
}

/** What a child spent: the rows of its end, and what a driver's pool booked `late`; then its channels say what is known. */
async function spentIn(
  { db, tenantId }: Ledger,
  { node_id: poolId }: Node,
  rows: readonly Event[],
  late: readonly Event[],
): Promise<Spent | null> {
  const spent = spentInRows([...rows, ...late]);
  if (spent === null || late.length === 0) return spent;
  const channels = await db
    .selectFrom("channels")
    .select(["channel", "measured"])
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", poolId)
    .where("channel", "in", ["tokens", "usd"])
    .execute();
  const isKnown = (channel: string): boolean => channels.every((one) => one.channel !== channel || one.measured);
  return { ...spent, tokens_known: isKnown("tokens"), usd_known: isKnown("usd") };
}

function nodesOf({ db, tenantId }: Ledger, poolId: string) {
  return db.selectFrom("nodes").selectAll().where("tenant_id", "=", tenantId).where("parent_node_id", "=", poolId);
}

function eventsOf({ db, tenantId }: Ledger, poolId: string) {
  return db
    .selectFrom("journal")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", poolId)
    .orderBy("seq");
}

/** Derived ids count up. */
function placeOf(nodeId: string): number {
  return Number(/:s(\d+)$/.exec(nodeId)?.[1] ?? 0);
}

/** The end of a child, for the hooks. */
export function endedOf({ node, spent }: NodeEnd): End {
  const done = node.status === "done";
  return {
    nodeId: node.node_id,
    status: node.status,
    outRef: node.out_ref,
    verdict: verdictOf(node.verdict),
    spent: spent ?? spentOf({}),
    reason: done ? null : downReasonOf(node),
    infra: !done && infraOf(node),
  };
}

/** What a child that is done made. @throws {ArtifactError} where its artifact is missing or corrupted. */
export async function doneOf(ledger: Ledger, { node, spent }: NodeEnd): Promise<Omit<Done, "seq">> {
  const out = node.out_ref === null ? undefined : (await ledger.artifact(node.out_ref)).artifact;
  return {
    kind: "done",
    handle: handleOf(node),
    out,
    outRef: node.out_ref,
    verdict: verdictOf(node.verdict),
    spent: spent ?? spentOf({}),
  };
}

/**
 * A driver is as good as its best child (`bestChild`): valid where a direct child is done and valid, with the score of the one whose
 * artifact a driver would keep.
 */
export async function verdictOfDriver(ledger: Ledger, nodeId: string): Promise<Verdict> {
  const rows = await ledger.read(() => nodesOf(ledger, nodeId).where("status", "=", "done").execute());
  const children = rows.map((node) => childOf({ node, spent: null }));
  // Where none left an artifact there is nothing to keep, and the work was done all the same.
  const best = bestChild(children) ?? bestOf(children);
  const scored = children.some(({ verdict }) => verdict?.valid && verdict.score !== undefined);
  return { valid: best !== undefined, ...(scored && { score: best?.verdict?.score ?? 0 }) };
}
