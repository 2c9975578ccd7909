/**
 * What must hold of an event, given what its pool was before it. What is asked of its source, its usage by itself, its funding and its run
 * is in `sources.ts`, `limits.ts`, `funding.ts` and `runs.ts`.
 */
import { textOf } from "../ledger/amounts.js";
import type { Finding, Findings } from "./findings.js";
import { checkFunding } from "./funding.js";
import { checkLimits } from "./limits.js";
import type { PoolBook } from "./pool-book.js";
import { checkRunOf } from "./runs.js";
import type { EventLine } from "./shapes.js";
import { checkSource } from "./sources.js";
import { add, addUsage, amountOf, chargeMissed, linesAgree, SPENDS, type Sums, usageAgrees, ZERO } from "./usage.js";

const ENDINGS: ReadonlySet<string> = new Set(["settled", "cancelled", "expired"]);

/** What a payer above owes to draws: by payer, spender and channel, what was spent less what was drawn. */
export type Draws = Map<string, { readonly payer: string; readonly pool: string; readonly channel: string; sum: Sums }>;

/** Where an event is. */
export type Place = Omit<Finding, "rule" | "detail">;

/** Books an event and checks it. */
export function checkEvent(
  event: EventLine,
  number: number,
  pools: ReadonlyMap<string, PoolBook>,
  draws: Draws,
  findings: Findings,
): void {
  const place = { line: number, pool_id: event.pool_id, seq: event.seq };
  const book = pools.get(event.pool_id);
  if (!book) {
    findings.add("event-of-no-pool", place, "the file has no such pool");
    return;
  }
  const seq = BigInt(event.seq);
  if (seq !== book.lastSeq + 1n) findings.add("seq-not-dense", place, `${seq} comes after ${book.lastSeq}`);
  book.lastSeq = seq;
  for (const channel of book.post(event)) {
    findings.add("posting-of-no-channel", { ...place, channel }, "the pool has no such channel");
  }
  const posted = (event.postings ?? []).map(({ channel }) => channel);
  if (new Set(posted).size < posted.length) findings.add("channel-posted-twice", place, posted.join(", "));
  checkFunding(event, book, place, findings);
  checkSource(event, book, pools, place, findings);
  checkLimits(event, place, findings);
  checkRunOf(event.run_id, book, place, findings);
  checkHold(book, event, place, findings);
  for (const { channel, detail } of usageAgrees(event)) {
    findings.add("usage-differs-from-posting", { ...place, channel }, `used and posted: ${detail}`);
  }
  const should = chargeMissed(event, book.line.token_charge);
  if (should !== undefined) {
    const detail = `charged is ${event.charged_tokens}, should be ${should}`;
    findings.add("charge-differs-from-tokens", { ...place, channel: "tokens" }, detail);
  }
  for (const detail of linesAgree(event)) {
    findings.add("lines-differ-from-event", place, `the event and its lines: ${detail}`);
  }
  if (SPENDS.has(event.kind)) addUsage(book.used, event);
  if (event.source_pool_id !== undefined) passUp(event, pools);
  noteDraws(event, book, pools, draws);
}

/** A child's hold is made once, stays as it is, and is released whole by the one event that ends it. */
function checkHold(book: PoolBook, event: EventLine, place: Place, findings: Findings): void {
  const held: Sums = new Map();
  for (const posting of event.postings ?? [])
    if (posting.held !== undefined) add(held, posting.channel, amountOf(posting.held));
  const { node_id, kind, outcome = "" } = event;
  const where = { ...place, ...(node_id !== undefined && { node_id }) };
  if (kind === "spawned" && node_id !== undefined) {
    if (book.open.has(node_id)) findings.add("spawned-twice", where, "it is open already");
    book.spawned(node_id, held);
  } else if (ENDINGS.has(kind) && node_id !== undefined) {
    const hold = book.open.get(node_id);
    if (!hold) findings.add("ending-of-no-hold", where, "it was never made, or has ended before");
    const channels = new Set([...held.keys(), ...(hold?.keys() ?? [])]);
    for (const channel of hold ? channels : []) {
      const left = (hold?.get(channel) ?? ZERO).plus(held.get(channel) ?? ZERO);
      if (!left.eq(0)) findings.add("hold-not-released", { ...where, channel }, `${textOf(left)} of it is left`);
    }
    book.open.delete(node_id);
    book.ended(node_id, outcome);
  } else if (held.size > 0) {
    findings.add("hold-moved", where, `${kind} holds nothing`);
  }
  if (
    kind === "corrected" &&
    event.source_pool_id === undefined &&
    event.outcome !== undefined &&
    node_id !== undefined
  ) {
    book.ended(node_id, outcome, "expired");
  }
}

/** What a pool booked for one below it, kept with that one. */
function passUp(event: EventLine, pools: ReadonlyMap<string, PoolBook>): void {
  if (event.source_pool_id !== event.node_id || !SPENDS.has(event.kind)) return;
  const child = pools.get(event.source_pool_id ?? "");
  if (!child) return;
  addUsage(child.usedAbove, event);
  for (const { channel, spent, remainder } of event.postings ?? []) {
    const below = child.channels.get(channel);
    if (below) below.passedUp = below.passedUp.plus(amountOf(spent)).minus(amountOf(remainder));
  }
}

/** What was spent on another pool's account is drawn there, once. */
function noteDraws(event: EventLine, book: PoolBook, pools: ReadonlyMap<string, PoolBook>, draws: Draws): void {
  const { source_pool_id: source, pool_id } = event;
  for (const { channel, spent, remainder } of event.postings ?? []) {
    const amount = amountOf(spent).minus(amountOf(remainder));
    const payer = book.channels.get(channel)?.line.payer_pool_id;
    if (event.kind === "drawn" && source !== undefined) note(draws, pool_id, source, channel, amount.neg());
    if (payer === undefined || payer === pool_id) continue;
    const below = source === undefined ? undefined : pools.get(source)?.channels.get(channel)?.line.payer_pool_id;
    if (source === undefined || below === source) note(draws, payer, pool_id, channel, amount);
  }
}

function note(draws: Draws, payer: string, pool: string, channel: string, amount: ReturnType<typeof amountOf>): void {
  const key = JSON.stringify([payer, pool, channel]);
  const draw = draws.get(key) ?? { payer, pool, channel, sum: new Map() };
  draws.set(key, draw);
  add(draw.sum, channel, amount);
}
