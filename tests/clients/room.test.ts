/** Room is made before the provider is asked, and calls at the same time never use more than there is. */
import { expect, it } from "vitest";
import { CallRefusedError } from "../../src/metering/call-refused.js";
import { anthropicUsage } from "../wire/anthropic.js";
import { usageOf } from "../wire/openai-chat.js";
import { settled, thrown, useMetered } from "./metered.js";

const meter = useMetered();
const messages = [{ role: "user" as const, content: "Go." }];

it("a call is held and announced while the provider has it", async () => {
  const statuses: unknown[] = [];
  const metered = await meter(async () => {
    const { db } = metered.ledger;
    const nodes = db.selectFrom("nodes").where("parent_node_id", "=", metered.pool.poolId);
    statuses.push(await nodes.select(["label", "status"]).execute(), (await metered.pool.readout()).reservedTokens);
    return { says: { text: "Gone.", usage: usageOf(11, 5) } };
  });
  await metered.openai.chat.completions.create({ model: "gpt-5-mini", messages, max_completion_tokens: 100 });
  // `[[{"role":"user","content":"Go."}],null,null,null,null]` has 55 bytes.
  expect(statuses).toEqual([[{ label: "gpt-5-mini", status: "dispatched" }], 155]);
  expect((await metered.pool.readout()).tokensLeft).toBe(1_000_000 - 16);
});

it("forty calls at once, of both clients, of which ten have room", async () => {
  let refused = 0;
  let open10: () => void = () => {};
  const allPlaced = new Promise<void>((resolve) => {
    open10 = resolve;
  });
  const placed = (): void => {
    if (refused + metered.server.requests.length === 40) open10();
  };
  const metered = await meter(
    ({ path }) => {
      placed();
      const usage = path === "/v1/messages" ? anthropicUsage(60, 31) : usageOf(60, 31);
      return { says: { text: "Gone.", usage }, after: allPlaced };
    },
    { budget: { tokens: 1_000 }, options: { perCall: { tokens: 100 } }, maxRetries: 2 },
  );
  const calls = Array.from({ length: 40 }, (_, number) => async () => {
    if (number % 2 === 0) await metered.openai.chat.completions.create({ model: "m", messages });
    else await metered.anthropic.messages.create({ model: "n", messages, max_tokens: 50 });
  });
  const outcomes = await Promise.all(
    calls.map(async (call) => {
      const error = await thrown(call);
      if (!(error instanceof CallRefusedError)) return "answered";
      refused += 1;
      placed();
      return error.code;
    }),
  );
  expect(outcomes.filter((outcome) => outcome === "answered")).toHaveLength(10);
  expect(outcomes.filter((outcome) => outcome === "budget-exhausted")).toHaveLength(30);
  expect(metered.server.bill).toHaveLength(10);
  expect(await settled(metered)).toHaveLength(10);
  expect(await metered.pool.readout()).toMatchObject({ tokensLeft: 90, reservedTokens: 0 });
});
