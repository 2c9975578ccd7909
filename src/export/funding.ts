/**
 * Where totals come from, in the order of events. Call it for every event, when it was posted.
 *
 * - `funded-by-wrong-kind`: a total moves where a pool is opened, where one at the top is funded, where one below gives back what is free as
 *   it is closed, and where a closed one below follows what is booked late. Nowhere else.
 * - `closed-pool-has-balance`: behind its end a pool below another has nothing free.
 * - `opened-out-of-turn`: the first event of a pool, and no other, opens it.
 */
import { textOf } from "../ledger/amounts.js";
import type { Findings } from "./findings.js";
import type { Place } from "./journal.js";
import type { PoolBook } from "./pool-book.js";
import type { EventLine } from "./shapes.js";
import { amountOf } from "./usage.js";

const LATE: ReadonlySet<string> = new Set(["metered", "corrected", "drawn"]);

export function checkFunding(event: EventLine, book: PoolBook, place: Place, findings: Findings): void {
  const { kind, postings = [] } = event;
  const below = book.line.parent_pool_id !== undefined;
  if ((kind === "opened") !== (event.seq === "1"))
    findings.add("opened-out-of-turn", place, `${kind} is event ${event.seq}`);
  const late = below && book.closed && LATE.has(kind);
  const funds = kind === "opened" || late || (below ? kind === "closed" : kind === "funded");
  for (const { channel, funded } of postings) {
    if (!funds && !amountOf(funded).eq(0)) {
      findings.add("funded-by-wrong-kind", { ...place, channel }, `${kind} adds ${funded} to the total`);
    }
  }
  if (kind === "closed") book.closed = true;
  const settled =
    below && kind === "closed" ? [...book.channels.keys()] : late ? postings.map(({ channel }) => channel) : [];
  for (const name of settled) {
    const channel = book.channels.get(name);
    if (!channel?.line.capped) continue;
    const free = channel.funded.minus(channel.held).minus(channel.spent);
    if (!free.eq(0)) {
      findings.add("closed-pool-has-balance", { ...place, channel: name }, `${textOf(free)} is free behind ${kind}`);
    }
  }
}
