/** What the tests of the feed read and write with, and what a feed must be. */
import { expect } from "vitest";
import type { EventsOptions, LedgerEvent } from "../../src/ledger/feed.js";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { Operation } from "../../src/ledger/protocol.js";

/** 0, 1, 2 … */
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** One token spent in a pool. */
export const meter = (pool_id: string, operation_id: string): Operation => {
  return { op: "meter", operation_id, pool_id, spend: { iterations: 0, input_tokens: 1, output_tokens: 0, usd: "0" } };
};

/** Opens a pool, as a run where wanted. */
export const open = (pool_id: string, run = false): Operation => {
  const marked = run ? { run: { label: pool_id } } : {};
  return {
    op: "open_pool",
    operation_id: `open/${pool_id}`,
    pool_id,
    channels: { tokens: { total: 1_000 } },
    ...marked,
  };
};

/** Where a row of the journal stands. */
export const place = ({ pool_id, seq }: { pool_id: string; seq: string }): string => `${pool_id}/${seq}`;

/** Reads until there is no more, or `stop` says so. */
export async function read(
  ledger: Ledger,
  options: EventsOptions,
  stop: (event: LedgerEvent) => boolean = () => false,
): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for await (const event of ledger.events(options)) {
    events.push(event);
    if (stop(event)) break;
  }
  return events;
}

/** All there, none twice, and per pool from 1 on without a gap in this order. */
export function expectExactly(places: readonly string[], expected: readonly string[]): void {
  expect([...places].sort()).toEqual([...expected].sort());
  const last = new Map<string, number>();
  for (const [pool = "", seq] of places.map((name) => name.split("/"))) {
    expect(Number(seq), pool).toBe((last.get(pool) ?? 0) + 1);
    last.set(pool, Number(seq));
  }
}
