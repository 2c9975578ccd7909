/** `agent-ledger tail`: events as they happen, without a gap, resumable at a cursor. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { JournalRow } from "../../database/schema.generated.js";
import type { EventsOptions, LedgerEvent } from "../../ledger/feed.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { wholeNumber } from "../options.js";
import { dollars, instant, NOTHING, print, printError, printJsonLine, reported } from "../output.js";
import { noSuchPool, noSuchRun } from "../reports/no-such.js";
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
    .addOption(
      new Option("-n, --count <count>", `begin with that many of the latest events, or all (default ${USUAL_COUNT})`)
        .argParser(latest)
        .conflicts("after"),
    )
    .description("events as they happen, until Ctrl-C; with --json a line each, with its cursor");
  addWork(command, (options: TailOptions) => readLedger(options, (ledger) => tail(ledger, options)));
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
  // Nothing would ever come, and that would look like nothing spent.
  await assertThere(ledger, scope);
  const stopped = untilStopped();
  const show = (event: LedgerEvent): void =>
    json ? printJsonLine({ cursor: event.cursor, ...event.row }) : print(lineOf(event.row));
  // A cursor is made when it is asked for, and costs something: only the last one is.
  let last: LedgerEvent | undefined;
  const read = async (filter: EventsOptions): Promise<void> => {
    for await (const event of ledger.events({ ...scope, signal: stopped, ...filter })) {
      show(event);
      last = event;
    }
  };
  const { after, count = USUAL_COUNT } = options;
  if (after !== undefined) await read({ after, follow });
  else if (count === Number.POSITIVE_INFINITY) await read({ follow });
  else await read({ last: count, follow });
  const cursor = last?.cursor ?? after;
  // Beside the events, not among them.
  if (cursor !== undefined && !json)
    printError(`Go on from here: agent-ledger tail${scopeText(options)} --after ${cursor}`);
}

async function assertThere({ db, tenantId }: Ledger, { run, pool }: Pick<TailOptions, "run" | "pool">): Promise<void> {
  if (run !== undefined) {
    const runs = db.selectFrom("runs").select("run_id").where("tenant_id", "=", tenantId).where("run_id", "=", run);
    if (!(await runs.executeTakeFirst())) noSuchRun(run, tenantId);
  }
  if (pool !== undefined) {
    const pools = db
      .selectFrom("pools")
      .select("pool_id")
      .where("tenant_id", "=", tenantId)
      .where("pool_id", "=", pool);
    if (!(await pools.executeTakeFirst())) noSuchPool(pool, tenantId);
  }
}

/** A cursor belongs to its scope. */
function scopeText({ run, pool }: TailOptions): string {
  return `${run === undefined ? "" : ` --run ${run}`}${pool === undefined ? "" : ` --pool ${pool}`}`;
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
    used ? `usd ${dollarsOf(row)}` : "",
  ];
  return parts.filter((part) => part !== "" && part !== null).join("  ") || NOTHING;
}

function dollarsOf({ usd, usd_known, uncertain_usd }: JournalRow): string {
  const unknown = usd === null ? "1" : "0";
  return dollars({
    usd,
    usd_known: usd_known ?? false,
    estimated_usd: uncertain_usd ?? "0",
    unknown_usd_events: unknown,
  });
}
