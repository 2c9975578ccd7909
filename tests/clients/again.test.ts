/** A client that is metered already: each request stays one call, of the pool that meters it. */
import OpenAI from "openai";
import { expect, it } from "vitest";
import { meterAnthropic } from "../../src/clients/anthropic.js";
import { meterOpenAI } from "../../src/clients/openai.js";
import { anthropicUsage } from "../wire/anthropic.js";
import { usageOf } from "../wire/openai-chat.js";
import { type Metered, settled, useMetered } from "./metered.js";

const meter = useMetered();
const messages = [{ role: "user" as const, content: "Go." }];
const chat = { model: "gpt-5-mini", messages };
const message = { model: "claude-opus-4-6", messages, max_tokens: 99 };

/** Label and tokens of each call. */
async function booked(metered: Metered): Promise<unknown[]> {
  return (await settled(metered)).map(({ label, tokens }) => [label, ...tokens.slice(0, 2)]);
}

const answering = ({ path }: { readonly path: string }) =>
  path === "/v1/messages"
    ? { says: { text: "Gone.", usage: anthropicUsage(11, 5) } }
    : { says: { text: "Gone.", usage: usageOf(11, 5) } };

it("by the same pool, also by another handle of it: one call, with the new options, and the given one keeps its own", async () => {
  const metered = await meter(answering, { options: { label: "first" } });
  const { ledger, pool, openai, anthropic } = metered;
  const again = meterOpenAI(openai, ledger.pool(pool.poolId), { label: "second" });
  expect(again).toBeInstanceOf(OpenAI);
  await again.chat.completions.create(chat);
  await again.withOptions({ maxRetries: 1 }).withOptions({ timeout: 5_000 }).chat.completions.create(chat);
  await meterOpenAI(meterOpenAI(again, pool), pool, { label: "third" }).chat.completions.create(chat);
  await openai.withOptions({ maxRetries: 1 }).chat.completions.create(chat);
  await meterAnthropic(anthropic, pool, { label: "fourth" }).messages.create(message);
  expect(metered.server.bill).toHaveLength(5);
  expect(await booked(metered)).toEqual(
    ["second", "second", "third", "first", "fourth"].map((label) => [label, 11, 5]),
  );
});

it("whatever fetch its withOptions is given, is metered once", async () => {
  const metered = await meter(answering);
  const { openai, server } = metered;
  let asked = 0;
  const counting: typeof fetch = (input, init) => {
    asked += 1;
    return fetch(input, init);
  };
  await openai.withOptions({ fetch: counting }).chat.completions.create(chat);
  const { fetch: its } = openai as unknown as { readonly fetch: typeof fetch };
  await openai.withOptions({ fetch: its }).chat.completions.create(chat);
  await meterOpenAI(
    new OpenAI({ apiKey: "key", baseURL: server.baseURL, fetch: its }),
    metered.pool,
  ).chat.completions.create(chat);
  expect([asked, server.bill.length]).toEqual([1, 3]);
  expect(await booked(metered)).toHaveLength(3);
});

it("by another pool: says which one meters it, and what to do", async () => {
  const { ledger, pool, openai, anthropic } = await meter([]);
  const other = await ledger.openPool({ tokens: 1_000 });
  const rule = `is metered in pool ${pool.poolId}: give each pool the plain client, as it was made`;
  const error = expect.objectContaining({
    code: "LG001",
    message: `client: ${rule}`,
    detail: { path: "client", rule },
  });
  expect(() => meterOpenAI(openai, other)).toThrow(error);
  expect(() => meterAnthropic(anthropic.withOptions({ maxRetries: 1 }), other)).toThrow(error);
});
