/** What is remembered of one pool while its export is read: balances and sums, and the open holds while its events pass. */
import { createHash } from "node:crypto";
import type Big from "big.js";
import { textOf } from "../ledger/amounts.js";
import type { ChannelLine, EventLine, NodeLine, PoolLine } from "./shapes.js";
import { amountOf, type Sums, ZERO } from "./usage.js";

/** What postings of one channel add up to. */
export interface ChannelBook {
  readonly line: ChannelLine;
  funded: Big;
  held: Big;
  spent: Big;
  uncertain: Big;
  remainder: Big;
  /** Holds of the nodes that are open. */
  holds: Big;
  /** Of a pool below another: what its parent committed for it. */
  passedUp: Big;
  /** Of an open pool below another: its node's hold; undefined before the node was met. */
  holdAbove: Big | undefined;
}

/** 128 bits of a digest: sums of them are equal where the sets are. */
function fingerprint(nodeId: string, fact: string): bigint {
  const digest = createHash("sha256")
    .update(JSON.stringify([nodeId, fact]))
    .digest("hex");
  return BigInt(`0x${digest.slice(0, 32)}`);
}

/** What a node holds, in one form. */
function holdText(hold: Iterable<readonly [string, Big]>): string {
  const held = [...hold]
    .filter(([, amount]) => !amount.eq(0))
    .map(([channel, amount]) => `${channel} ${textOf(amount)}`);
  return `holds ${JSON.stringify(held.sort())}`;
}

/** The outcome of a node that has none yet. */
const OPEN = "open";

export class PoolBook {
  readonly channels = new Map<string, ChannelBook>();
  /** Holds by node and channel, of the events so far. */
  readonly open = new Map<string, Sums>();
  /** What all events together used, and what the parent booked of that. */
  readonly used: Sums = new Map();
  readonly usedAbove: Sums = new Map();
  lastSeq = 0n;
  openNodes = 0;
  /** Whether the event that closes it has passed. */
  closed = false;
  /** Of the root of a run: whether the line of the run was met. */
  hasRun = false;
  /** How the pool's own node ended, once it was met. */
  owner: { readonly outcome: string | undefined } | undefined;
  /** Children as the nodes have them, less as the events have them: 0 where they agree. */
  children = 0n;

  constructor(
    readonly line: PoolLine,
    readonly number: number,
  ) {
    for (const channel of line.channels) {
      const sums = { funded: ZERO, held: ZERO, spent: ZERO, uncertain: ZERO, remainder: ZERO };
      const of = { holds: ZERO, passedUp: ZERO, holdAbove: undefined };
      this.channels.set(channel.channel, { line: channel, ...sums, ...of });
    }
  }

  /** A child as the nodes have it. */
  addChild({ node_id, outcome, hold }: NodeLine): void {
    const amounts = [...hold].map(([channel, amount]) => [channel, amountOf(amount)] as const);
    this.children += fingerprint(node_id, outcome ?? OPEN) + fingerprint(node_id, holdText(amounts));
    if (outcome !== undefined) return;
    this.openNodes += 1;
    for (const [name, amount] of hold) {
      const channel = this.channels.get(name);
      if (channel) channel.holds = channel.holds.plus(amountOf(amount));
    }
  }

  /** A child that an event makes, with what it holds. */
  spawned(nodeId: string, held: Sums): void {
    this.open.set(nodeId, held);
    this.children -= fingerprint(nodeId, OPEN) + fingerprint(nodeId, holdText(held));
  }

  /** A child that an event ends, or ends otherwise than it had. */
  ended(nodeId: string, outcome: string, before: string = OPEN): void {
    this.children += fingerprint(nodeId, before) - fingerprint(nodeId, outcome);
  }

  /** Adds what an event posted. Answers the channels that the pool does not have. */
  post(event: EventLine): string[] {
    return (event.postings ?? []).flatMap((posting) => {
      const channel = this.channels.get(posting.channel);
      if (!channel) return [posting.channel];
      channel.funded = channel.funded.plus(amountOf(posting.funded));
      channel.held = channel.held.plus(amountOf(posting.held));
      channel.spent = channel.spent.plus(amountOf(posting.spent));
      channel.uncertain = channel.uncertain.plus(amountOf(posting.uncertain));
      channel.remainder = channel.remainder.plus(amountOf(posting.remainder));
      return [];
    });
  }
}
