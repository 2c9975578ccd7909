/** Every way of calling is metered, gives the program what it gave before, and is refused by name where the pool cannot pay. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { expect, it } from "vitest";
import { CallRefusedError } from "../../src/metering/call-refused.js";
import { settled, thrown, useMetered } from "./metered.js";
import { ANTHROPIC_WAYS, OPENAI_WAYS, WAYS } from "./ways.js";

const meter = useMetered();

it("every way of calling is metered, and gives what it gave before", async () => {
  await Promise.all(
    WAYS.map(async ({ name, call, replies, books }) => {
      const metered = await meter([...replies, ...replies]);
      const given = stripped(await call(metered.plain));
      expect(await settled(metered), name).toEqual([]);
      expect(stripped(await call(metered)), name).toEqual(given);
      expect(
        (await settled(metered)).map(({ outcome, purpose, tokens, known }) => [outcome, purpose, tokens, known]),
        name,
      ).toEqual(books.map((tokens) => ["done", "turn", tokens, true]));
      expect(metered.server.requests, name).toHaveLength(2 * replies.length);
    }),
  );
});

/** Without ids that count the server's requests, and the mark that a piece of a stream has no usage, which asking for it brings along. */
function stripped(value: unknown): unknown {
  const text = JSON.stringify(value)
    .replaceAll(/gen-\d+/g, "gen")
    .replaceAll(/,?\\?"usage\\?":null/g, "");
  return JSON.parse(text);
}

it("every way of calling is refused by name, with what is short, before anything is sent", async () => {
  const ways = [
    ...OPENAI_WAYS.map((way) => ({ ...way, Base: OpenAI.OpenAIError })),
    ...ANTHROPIC_WAYS.map((way) => ({ ...way, Base: Anthropic.AnthropicError })),
  ];
  await Promise.all(
    ways.map(async ({ name, call, Base }) => {
      const metered = await meter([], { budget: { tokens: 9 }, options: { perCall: { tokens: 10 } }, maxRetries: 2 });
      const error = await thrown(() => call(metered));
      expect(error, name).toBeInstanceOf(CallRefusedError);
      expect(error, name).toBeInstanceOf(Base);
      expect(error, name).toMatchObject({
        name: "CallRefusedError",
        code: "budget-exhausted",
        poolId: metered.pool.poolId,
        retryable: false,
        shortfall: [{ channel: "tokens", requested: "10", free: "9" }],
      });
      expect(metered.server.requests, name).toEqual([]);
      const { db } = metered.ledger;
      const refusals = db.selectFrom("refusals").where("pool_id", "=", metered.pool.poolId).select("code").execute();
      expect(await refusals, name).toEqual([{ code: "budget-exhausted" }]);
    }),
  );
});
