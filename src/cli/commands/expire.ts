/** `agent-ledger expire`: books the end of holds whose lease has passed, once or every so often. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Ledger } from "../../ledger/ledger.js";
import type { Result } from "../../ledger/protocol.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { seconds } from "../options.js";
import { amount, instant, print, printJson, printJsonLine } from "../output.js";
import { send } from "../send.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";

type Expired = NonNullable<Result["expired"]>;

interface ExpireOptions extends ConnectionOptions {
  readonly every?: number;
  readonly pool?: string;
}

/** Adds the verb. */
export function addExpire(program: Command): void {
  const command = program
    .command("expire")
    .option("--every <seconds>", "go on until Ctrl-C; with --json a line for each sweep that found something", seconds)
    .option("--pool <pool>", "of that pool only, and what its lapsed drivers have below them")
    .description("book the end of every hold whose lease has passed: its room is given back, or its ceiling charged");
  addWork(command, (options: ExpireOptions) =>
    withLedger(options, (ledger) =>
      options.every === undefined ? once(ledger, options) : goOn(ledger, options, options.every),
    ),
  );
}

async function once(ledger: Ledger, options: ExpireOptions): Promise<void> {
  const expired = await sweep(ledger, options.pool);
  if (options.json) printJson({ expired });
  else printExpired(expired);
  if (!options.json && expired.length === 0) print("No lease has passed");
}

async function goOn(ledger: Ledger, options: ExpireOptions, every: number): Promise<void> {
  const stopped = untilStopped();
  if (!options.json) print(`Looking every ${every} s; Ctrl-C ends it`);
  while (!stopped.aborted) {
    const expired = await sweep(ledger, options.pool);
    if (options.json && expired.length > 0) printJsonLine({ at: new Date(), expired });
    else if (!options.json) printExpired(expired);
    await sleep(every * 1000, undefined, { signal: stopped }).catch(() => {});
  }
}

/** Asks again at once while there was something: one call ends a bounded number. */
async function sweep(ledger: Ledger, pool: string | undefined): Promise<Expired> {
  const all: Expired[number][] = [];
  for (;;) {
    const { result } = await send(ledger, "expire", { op: "expire", ...(pool !== undefined && { pool_id: pool }) });
    const found = result.expired ?? [];
    if (found.length === 0) return all;
    all.push(...found);
  }
}

function printExpired(expired: Expired): void {
  for (const { node_id: node, charged } of expired) {
    const amounts = Object.entries(charged).map(([channel, value]) => `${amount(String(value))} ${channel}`);
    const what = amounts.length > 0 ? `charged ${amounts.join(", ")}` : "nothing charged";
    print(`${instant(new Date())}  ${node}  expired, ${what}`);
  }
}
