/** `agent-ledger pool show <pool>`: a budget, channel by channel. */
import type { Command } from "commander";
import type { ChannelsRow, PoolHeadsRow, PoolsRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import { BAR_LEGEND, channelBar } from "../bars.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { amount, instant, NOTHING, print, printJson, printTable, reported } from "../output.js";
import { noSuchPool } from "../reports/no-such.js";
import { addWork } from "../verb.js";

/** A pool as this verb shows it. */
interface PoolReport {
  readonly pool: PoolsRow;
  readonly head: PoolHeadsRow | null;
  readonly channels: readonly ChannelsRow[];
}

/** Adds the verb. */
export function addPoolShow(pool: Command): void {
  const command = pool
    .command("show")
    .argument("<pool>", "its id")
    .description("a pool: its channels with bars, state, deadline and parent");
  addWork(command, (options: ConnectionOptions, id: string) =>
    readLedger(options, async (ledger) => {
      const report = await readPool(ledger, id);
      if (options.json) printJson(report);
      else printPool(report);
    }),
  );
}

async function readPool({ db, tenantId }: Ledger, id: string): Promise<PoolReport> {
  const [pool, head, channels] = await Promise.all([
    db.selectFrom("pools").selectAll().where("tenant_id", "=", tenantId).where("pool_id", "=", id).executeTakeFirst(),
    db
      .selectFrom("pool_heads")
      .selectAll()
      .where("tenant_id", "=", tenantId)
      .where("pool_id", "=", id)
      .executeTakeFirst(),
    db.selectFrom("channels").selectAll().where("tenant_id", "=", tenantId).where("pool_id", "=", id).execute(),
  ]);
  if (!pool) return noSuchPool(id, tenantId);
  return {
    pool,
    head: head ?? null,
    channels: channels.toSorted((a, b) => place(a) - place(b) || (a.channel < b.channel ? -1 : 1)),
  };
}

/** Tokens, iterations, dollars, then resources by name. */
function place({ channel }: ChannelsRow): number {
  const known = ["tokens", "iterations", "usd"].indexOf(channel);
  return known < 0 ? 3 : known;
}

function printPool({ pool, head, channels }: PoolReport): void {
  const facts = [
    `state ${pool.state}`,
    `parent ${pool.parent_pool_id ?? NOTHING}`,
    `run ${pool.run_id ?? NOTHING}`,
    `deadline ${instant(pool.deadline_at)}`,
    `opened ${instant(pool.opened_at)}`,
    `open holds ${head?.open_holds ?? NOTHING}`,
    `last event ${head?.seq ?? NOTHING}`,
  ];
  print(facts.join(" · "), "");
  printTable(
    `Pool ${pool.pool_id} (total = free + reserved + committed; – where only observed)`,
    ["channel", "paid by", "", "committed", "reserved", "free", "total", "of it uncertain"],
    channels.map((channel) => [
      channel.unit ? `${channel.channel} (${channel.unit})` : channel.channel,
      payerOf(channel),
      channelBar(channel),
      reported(channel.committed, channel.measured),
      amount(channel.reserved),
      channel.sealed ? `${amount(channel.free)} sealed` : amount(channel.free),
      amount(channel.total),
      amount(channel.uncertain),
    ]),
    3,
  );
  if (channels.some((channel) => channel.capped)) print(BAR_LEGEND);
}

function payerOf({ pool_id, payer_pool_id }: ChannelsRow): string {
  if (payer_pool_id === null) return "nobody";
  return payer_pool_id === pool_id ? "itself" : payer_pool_id;
}
