/**
 * What must hold of a pool when all of its events have passed. Among it `pool-state-differs-from-events`: it is closed where an event closed
 * it; `booked-before-its-end`: its parent books nothing of it while it is open; `measured-differs-from-balance`: a channel that is
 * uncertain or sealed is not measured.
 */
import type Big from "big.js";
import { textOf } from "../ledger/amounts.js";
import type { Findings } from "./findings.js";
import type { ChannelBook, PoolBook } from "./pool-book.js";
import { amountOf, differences, ZERO } from "./usage.js";

/** Checks a pool against its events and nodes, and against the pool above it, where that is in the file. */
export function checkPool(book: PoolBook, parent: PoolBook | undefined, findings: Findings): void {
  const { line: pool, number: line } = book;
  const place = { line, pool_id: pool.pool_id };
  if (book.lastSeq !== BigInt(pool.seq)) {
    findings.add("events-missing", place, `${book.lastSeq} events of ${pool.seq}`);
  }
  if (book.owner === undefined) findings.add("pool-of-no-node", place, "there is no node of that id");
  else if ((pool.state === "closed") !== (book.owner.outcome !== undefined)) {
    const end = book.owner.outcome ?? "open";
    findings.add("pool-state-differs-from-node", place, `the pool is ${pool.state}, its node ${end}`);
  }
  if (book.openNodes !== pool.open_holds) {
    findings.add("open-holds-miscounted", place, `${book.openNodes} open children, ${pool.open_holds} counted`);
  }
  if (book.children !== 0n) {
    const detail = "its children are not those that its events made and ended, or ended otherwise";
    findings.add("nodes-differ-from-events", place, detail);
  }
  if (book.closed !== (pool.state === "closed")) {
    const detail = `the pool is ${pool.state}, ${book.closed ? "an" : "no"} event closed it`;
    findings.add("pool-state-differs-from-events", place, detail);
  }
  for (const channel of book.channels.values()) checkChannel(book, channel, parent, findings);
  if (pool.state !== "closed" && parent !== undefined) checkNothingPassedUp(book, findings);
  if (pool.state !== "closed" || parent === undefined) return;
  for (const detail of differences(book.used, book.usedAbove).filter((text) => !text.startsWith("resource "))) {
    findings.add("usage-above-differs", place, `used and booked by the parent: ${detail}`);
  }
}

/** Channels whose unknown usage is counted with what is uncertain. */
const COUNTED: ReadonlySet<string> = new Set(["tokens", "iterations", "usd"]);

function checkNothingPassedUp({ line, number, usedAbove, channels }: PoolBook, findings: Findings): void {
  const place = { line: number, pool_id: line.pool_id };
  const booked = [...channels.values()]
    .filter(({ passedUp }) => !passedUp.eq(0))
    .map(({ line: { channel } }) => channel);
  for (const detail of [...booked, ...differences(usedAbove, new Map())]) {
    findings.add("booked-before-its-end", place, `booked by the parent: ${detail}`);
  }
}

function checkChannel(book: PoolBook, channel: ChannelBook, parent: PoolBook | undefined, findings: Findings): void {
  const { line } = channel;
  const place = { line: book.number, pool_id: book.line.pool_id, channel: line.channel };
  const agree = (rule: string, what: string, is: Big, should: Big): void => {
    if (!is.eq(should)) findings.add(rule, place, `${what} is ${textOf(is)}, should be ${textOf(should)}`);
  };
  const [reserved, committed, uncertain] = [line.reserved, line.committed, line.uncertain].map(amountOf) as [
    Big,
    Big,
    Big,
  ];
  const [total, free] = [amountOf(line.total), amountOf(line.free)];
  const JOURNAL = "balance-differs-from-journal";
  agree(JOURNAL, "total", total, channel.funded);
  agree(JOURNAL, "reserved", reserved, channel.held);
  agree(JOURNAL, "committed", committed, channel.spent);
  agree(JOURNAL, "uncertain", uncertain, channel.uncertain);
  agree("reserved-differs-from-open-holds", "reserved", reserved, channel.holds);
  if ((line.total !== undefined) !== line.capped || (line.free !== undefined) !== line.capped) {
    findings.add("cap-differs-from-balance", place, "total and free are there exactly where the channel is capped");
  }
  if (line.capped) agree("total-is-not-the-sum", "total", total, free.plus(reserved).plus(committed));
  else agree("uncapped-holds", "reserved", reserved, ZERO);
  if (reserved.lt(0) || committed.lt(0) || uncertain.lt(0) || uncertain.gt(committed)) {
    findings.add("balance-out-of-bounds", place, "0 <= reserved, 0 <= uncertain <= committed");
  }
  if (line.measured === true && (line.sealed || (COUNTED.has(line.channel) && !uncertain.eq(0)))) {
    findings.add("measured-differs-from-balance", place, `measured, but ${line.sealed ? "sealed" : "uncertain"}`);
  }
  checkSeal(channel, total.minus(reserved).minus(committed.minus(channel.remainder)), agree);
  if (parent !== undefined) checkAgainstParent(book, channel, parent, agree);
}

type Agree = (rule: string, what: string, is: Big, should: Big) => void;

/** A sealed channel counts as committed what is neither held nor known to be spent; one that is not sealed counts nothing so. */
function checkSeal({ line, remainder }: ChannelBook, left: Big, agree: Agree): void {
  agree("seal-differs", "what only a seal committed", remainder, line.sealed && left.gt(0) ? left : ZERO);
}

/** An open pool's total is its parent's hold, a closed one's what the parent committed for it, where both cap the channel. */
function checkAgainstParent({ line: pool }: PoolBook, channel: ChannelBook, parent: PoolBook, agree: Agree): void {
  const total = amountOf(channel.line.total);
  if (!channel.line.capped) return;
  if (pool.state === "closed") {
    agree("child-total-differs-from-parent", "total", total, channel.passedUp);
    agree("closed-pool-has-balance", "free", amountOf(channel.line.free), ZERO);
  } else if (parent.channels.get(channel.line.channel)?.line.capped) {
    agree("child-total-differs-from-parent", "total", total, channel.holdAbove ?? ZERO);
  }
}
