/** `agent-ledger tail`: events as they happen, without a gap, resumable at a cursor. */
import { type Command, InvalidArgumentError } from "commander";
import type { JournalRow } from "../../database/schema.generated.js";
import type { EventsOptions, LedgerEvent } from "../../ledger/feed.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { wholeNumber } from "../options.js";
import { instant, NOTHING, print, printError, printJsonLine, reported } from "../output.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";

interface TailOptions extends ConnectionOptions {
  readonly run?: string;
  readonly pool?: string;
  readonly after?: string;
  readonly follow: boolean;
  readonly count?: number;
}

const USUAL_COUNT = 10;

/** Adds the verb. */
export function addTail(program: Command): void {
  const command = program
    .command("tail")
    .option("--run <run>", "of that run only")
    .option("--pool <pool>", "of that pool only")
    .option("--after <cursor>", "go on behind that event: everything since")
    .option("--no-follow", "end when the last event is printed")
    .option(
      "-n, --count <count>",
      `begin with that many of the latest events, or all (default ${USUAL_COUNT}; with --after all)`,
      latest,
    )
    .description("events as they happen, until Ctrl-C; with --json a line each, with its cursor");
  addWork(command, (options: TailOptions) => withLedger(options, (ledger) => tail(ledger, options)));
}

function latest(text: string): number {
  if (text === "all") return Number.POSITIVE_INFINITY;
  try {
    return wholeNumber(text);
  } catch {
    throw new InvalidArgumentError("It is a whole number from 0, or all.");
  }
}

async function tail(ledger: Ledger, options: TailOptions): Promise<void> {
  const { run, pool, follow, json } = options;
  const scope = { ...(run !== undefined && { run }), ...(pool !== undefined && { pool }) };
  const stopped = untilStopped();
  const show = (event: LedgerEvent): void =>
    json ? printJsonLine({ cursor: event.cursor, ...event.row }) : print(lineOf(event.row));
  const count = options.count ?? (options.after === undefined ? USUAL_COUNT : Number.POSITIVE_INFINITY);

  // A cursor is made when it is asked for, and costs something: only the last one is.
  let last: LedgerEvent | undefined;
  const read = async (filter: EventsOptions): Promise<void> => {
    for await (const event of ledger.events({ ...scope, signal: stopped, ...filter })) {
      show(event);
      last = event;
    }
  };
  const behind = options.after === undefined ? {} : { after: options.after };
  if (count === Number.POSITIVE_INFINITY) {
    await read({ ...behind, follow });
  } else {
    const events = await readLatest(ledger, { ...scope, ...behind, signal: stopped }, count);
    for (const event of count === 0 ? [] : events) show(event);
    last = events.at(-1);
    if (follow && !stopped.aborted) await read(last ? { after: last.cursor } : behind);
  }
  const cursor = last?.cursor ?? options.after;
  // Beside the events, not among them.
  if (cursor !== undefined && !json)
    printError(`Go on from here: agent-ledger tail${scopeText(options)} --after ${cursor}`);
}

/** A cursor belongs to its scope. */
function scopeText({ run, pool }: TailOptions): string {
  return `${run === undefined ? "" : ` --run ${run}`}${pool === undefined ? "" : ` --pool ${pool}`}`;
}

/** The last `count` events there are, but at least the very last one. */
export async function readLatest(ledger: Ledger, filter: EventsOptions, count: number): Promise<LedgerEvent[]> {
  const kept = Math.max(count, 1);
  let events: LedgerEvent[] = [];
  for await (const event of ledger.events({ ...filter, follow: false })) {
    events.push(event);
    // Now and then, so that a long history costs no more than it must.
    if (events.length >= 2 * kept) events = events.slice(-kept);
  }
  return events.slice(-kept);
}

/** An event in one line: when it happened, where, what, and what it used. */
export function lineOf(row: JournalRow): string {
  const used = row.iterations !== null;
  const parts = [
    instant(row.effective_at),
    `${row.pool_id} #${row.seq}`,
    row.kind.padEnd(10),
    row.node_id === row.pool_id ? "" : row.node_id,
    row.purpose ?? "",
    row.model ?? "",
    used ? `tokens ${reported(row.charged_tokens, row.tokens_known)}` : "",
    used ? `usd ${reported(row.usd, row.usd_known)}` : "",
  ];
  return parts.filter((part) => part !== "" && part !== null).join("  ") || NOTHING;
}
