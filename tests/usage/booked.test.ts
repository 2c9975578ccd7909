/** What providers say of their calls, booked as it was read. */
import { expect, it } from "vitest";
import { sum } from "../../src/ledger/amounts.js";
import type { Spend } from "../../src/ledger/protocol.js";
import { useClients } from "../ledger/client.js";
import { GOLDEN, readGolden } from "./golden.js";

const clients = useClients();

const COUNTS = [
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "cache_write_1h_tokens",
  "reasoning_tokens",
  "usd",
] as const;

/** Whether both counts that make up a call are there, and whole. */
function isKnown(spend: Spend): boolean {
  return spend.input_tokens !== undefined && spend.output_tokens !== undefined && spend.tokens_known !== false;
}

it("adds up in the journal to what was worked by hand, and what was not said is unknown there", async () => {
  const ledger = await clients.open();
  const pool = await ledger.openPool(
    { tokens: 10_000_000, iterations: 1 },
    { poolId: "calls", run: { label: "Calls" } },
  );
  for (const [turn, golden] of GOLDEN.entries()) {
    const { spend, model, providerRequestId, tools } = readGolden(golden);
    const toolCalls = tools.map(({ name }) => name);
    await pool.observe(spend, { purpose: "turn", turn, model, providerRequestId, toolCalls });
  }
  const rows = await ledger.db.selectFrom("journal").selectAll().where("kind", "=", "metered").orderBy("seq").execute();
  const expected = GOLDEN.map(({ expected }) => expected);
  for (const count of COUNTS) {
    const worked = sum(expected.map(({ spend }) => spend[count] ?? 0));
    expect(sum(rows.map((row) => row[count] ?? 0)), count).toBe(worked);
  }
  expect(rows.map((row) => [row.turn, row.tokens_known, row.usd_known])).toEqual(
    expected.map(({ spend }, turn) => [turn, isKnown(spend), spend.usd !== undefined]),
  );
  expect(rows.map(({ model, provider_request_id }) => [model, provider_request_id])).toEqual(
    expected.map(({ model = null, providerRequestId = null }) => [model, providerRequestId]),
  );
  const charged = sum(expected.flatMap(({ spend }) => [spend.input_tokens ?? 0, spend.output_tokens ?? 0]));
  expect(await pool.readout()).toMatchObject({ tokensLeft: 10_000_000 - Number(charged), tokensKnown: false });
});
