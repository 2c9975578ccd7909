/** `agent-ledger pool …`: budgets by hand. */
import type { Command } from "commander";
import { type ConnectionOptions, withLedger } from "../context.js";
import { decimal, namedAmount, resourceAmount, wholeNumber } from "../options.js";
import { amount, print, printJson } from "../output.js";
import { newOperationId, send } from "../send.js";
import { addWork } from "../verb.js";
import { addPoolShow } from "./pool-show.js";

/** Options of the verbs that write. */
interface WriteOptions extends ConnectionOptions {
  readonly operationId?: string;
}

interface OpenOptions extends WriteOptions {
  readonly tokens?: string;
  readonly iterations?: string;
  readonly usd?: string;
  readonly resource?: Readonly<Record<string, string>>;
  readonly parent?: string;
  readonly deadlineMs?: number;
  readonly maxDepth?: number;
  readonly run?: string;
}

/** Adds the verbs. */
export function addPool(program: Command): void {
  const pool = program.command("pool").description("open, fund, freeze, thaw, close and show budgets");
  addOpen(pool);
  addFund(pool);
  addChange(pool, "freeze", "stop new children of the pool and of all below; what runs may end", "frozen");
  addChange(pool, "thaw", "let a frozen pool have children again", "open");
  addClose(pool);
  addPoolShow(pool);
}

function verb(pool: Command, name: string, description: string): Command {
  return pool
    .command(name)
    .argument("<pool>", "its id")
    .description(description)
    .option("--operation-id <id>", "makes the call safe to repeat: the same id answers again and books nothing");
}

function addOpen(pool: Command): void {
  const open = verb(pool, "open", "open a budget; a channel without a total is only observed")
    .option("--tokens <n>", "tokens it may spend", decimal)
    .option("--iterations <n>", "rounds of children it may spend", decimal)
    .option("--usd <x>", "dollars it may spend", decimal)
    .option("--resource <name=x>", "any other channel, such as gpu_seconds=3600; repeatable", resourceAmount)
    .option("--parent <pool>", "reserve the totals there")
    .option("--deadline-ms <ms>", "no new children after that long", wholeNumber)
    .option("--max-depth <n>", "how deep drivers may nest below", wholeNumber)
    .option("--run <label>", "make it the root of a run");
  addWork(open, (options: OpenOptions, id: string) =>
    withLedger(options, async (ledger) => {
      const answer = await send(ledger, `pool open ${id}`, {
        op: "open_pool",
        operation_id: options.operationId ?? newOperationId("open_pool"),
        pool_id: id,
        channels: channelsOf(options),
        ...(options.parent !== undefined && { parent_pool_id: options.parent }),
        ...(options.deadlineMs !== undefined && { deadline_ms: options.deadlineMs }),
        ...(options.maxDepth !== undefined && { max_depth: options.maxDepth }),
        ...(options.run !== undefined && { run: { label: options.run } }),
      });
      if (options.json) printJson(answer);
      else print(`Pool ${id} is open. Look at it: agent-ledger pool show ${id}`);
    }),
  );
}

function channelsOf({ tokens, iterations, usd, resource }: OpenOptions): Record<string, { total: string }> {
  const totals = Object.entries({ tokens, iterations, usd, ...resource });
  return Object.fromEntries(totals.flatMap(([name, total]) => (total === undefined ? [] : [[name, { total }]])));
}

function addFund(pool: Command): void {
  const fund = verb(pool, "fund", "change the totals of a pool; what is taken back must be free").argument(
    "<amount...>",
    "channel=amount, such as tokens=100 usd=-5",
    namedAmount,
  );
  addWork(fund, (options: WriteOptions, id: string, amounts: Readonly<Record<string, string>>) =>
    withLedger(options, async (ledger) => {
      const operation = { op: "fund", operation_id: options.operationId, pool_id: id, amounts };
      const answer = await send(ledger, `pool fund ${id}`, operation);
      if (options.json) printJson(answer);
      else
        print(
          `Pool ${id}: ${Object.entries(amounts)
            .map(([name, value]) => `${name} ${signed(value)}`)
            .join(", ")}`,
        );
    }),
  );
}

function signed(text: string): string {
  return text.startsWith("-") ? amount(text) : `+${amount(text)}`;
}

function addChange(pool: Command, name: "freeze" | "thaw", description: string, state: string): void {
  const command = verb(pool, name, description).option("--reason <text>", "kept in the journal");
  addWork(command, (options: WriteOptions & { reason?: string }, id: string) =>
    withLedger(options, async (ledger) => {
      const answer = await send(ledger, `pool ${name} ${id}`, {
        op: name,
        operation_id: options.operationId,
        pool_id: id,
        ...(options.reason !== undefined && { reason: options.reason }),
      });
      if (options.json) printJson(answer);
      else print(`Pool ${id} is ${state}`);
    }),
  );
}

function addClose(pool: Command): void {
  const close = verb(pool, "close", "end a pool without open holds; under a parent what is free goes back");
  addWork(close, (options: WriteOptions, id: string) =>
    withLedger(options, async (ledger) => {
      const operation = { op: "close_pool", operation_id: options.operationId, pool_id: id };
      const answer = await send(ledger, `pool close ${id}`, operation);
      if (options.json) printJson(answer);
      else print(`Pool ${id} is closed${returnedText(answer.result.returned)}`);
    }),
  );
}

function returnedText(returned: Readonly<Record<string, string>> | undefined): string {
  const amounts = Object.entries(returned ?? {}).map(([name, value]) => `${name} ${amount(value)}`);
  return amounts.length > 0 ? `; returned to its parent: ${amounts.join(", ")}` : "";
}
