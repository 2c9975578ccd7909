/** A run with drivers below it, as most of these tests need one. */
import type { Client } from "pg";
import { type Operation, submit, withId } from "./operations.js";

/** How a driver comes to its dollars: its own ceiling, or none, so that the root pays. */
export type Dollars = "declared" | "undeclared";

/** Opens the run `root` of 1,000 tokens and 100 dollars. */
export function openRoot(): Operation {
  return withId({
    op: "open_pool",
    pool_id: "root",
    channels: { tokens: { total: 1_000 }, usd: { total: "100" } },
    run: { label: "root" },
  });
}

/** Spawns a driver that holds 100 tokens of its parent's, half of them where the parent is no root. */
export function spawnDriver(nodeId: string, parent = "root", dollars: Dollars = "undeclared"): Operation {
  const share = parent === "root" ? { tokens: 100, usd: "10" } : { tokens: 50, usd: "5" };
  const { usd, ...undeclared } = share;
  return withId({
    ...{ op: "spawn", pool_id: parent, node_id: nodeId, label: nodeId, driver: true },
    budget: dollars === "declared" ? { ...undeclared, usd } : undeclared,
  });
}

/** Makes the tenant and plays the operations, all of which must be ok. */
export async function plant(client: Client, tenantId: string, operations: readonly Operation[]): Promise<void> {
  await client.query("select ledger.create_tenant($1)", [tenantId]);
  const failed = (await submit(client, tenantId, operations)).filter(({ status }) => status !== "ok");
  if (failed.length > 0) throw new Error(`the setup failed: ${JSON.stringify(failed)}`);
}

/** `[total, free, reserved, committed]` of one channel. */
export async function balance(client: Client, tenantId: string, poolId: string, channel: string): Promise<string[]> {
  const { rows } = await client.query<{ amounts: string[] }>(
    `select array[trim_scale(total), trim_scale(free), trim_scale(reserved), trim_scale(committed)]::text[] as amounts
     from ledger.channels where tenant_id = $1 and pool_id = $2 and channel = $3`,
    [tenantId, poolId, channel],
  );
  return rows[0]?.amounts ?? [];
}
