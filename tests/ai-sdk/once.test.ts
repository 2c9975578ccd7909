/** Models that are metered more than once, and answers that are not as the SDK has them: each call is booked, once. */
import { defaultSettingsMiddleware, generateText, type LanguageModelMiddleware, wrapLanguageModel } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { describe, expect, it } from "vitest";
import { ledgerMiddleware, meterModel } from "../../src/ai-sdk/middleware.js";
import { useClients } from "../ledger/client.js";
import { rows } from "../metering/calls.js";
import { latest, settlements } from "./books.js";
import { finish, opened, prompt, read, result, streaming, text, usage } from "./test-model.js";

const clients = useClients();

const answering = () => new MockLanguageModelV3({ doGenerate: result({ usage: usage(10, 5) }) });

describe("a call that several meter", () => {
  it("is booked by the outermost, whatever stands between", async () => {
    const { ledger, pool } = await opened(clients);
    const other = await ledger.openPool({ tokens: 100_000 }, { poolId: "other" });
    const settings = defaultSettingsMiddleware({ settings: { temperature: 0 } });
    const rewording: LanguageModelMiddleware = {
      specificationVersion: "v3",
      transformParams: async ({ params }) => ({ ...params, prompt: [...params.prompt, ...prompt] }),
    };
    for (const between of [[], [settings], [rewording]]) {
      const mock = answering();
      const middleware = [ledgerMiddleware(pool), ...between, ledgerMiddleware(pool), ledgerMiddleware(other)];
      const model = wrapLanguageModel({ model: meterModel(mock, other), middleware });
      expect((await generateText({ model, prompt: "Go." })).text).toBe("Yes.");
      expect(mock.doGenerateCalls).toHaveLength(1);
    }
    const streamed = meterModel(streaming([...text("a"), finish("stop", "stop")]), pool);
    const twice = wrapLanguageModel({ model: streamed, middleware: ledgerMiddleware(other) });
    await read((await twice.doStream({ prompt })).stream);
    expect((await settlements(ledger, pool)).map((row) => row.input_tokens)).toEqual(["10", "10", "10"]);
    expect((await settlements(ledger, other)).map((row) => row.input_tokens)).toEqual(["10"]);
    // The mark is of one call: the same prompt asked again is another.
    await wrapLanguageModel({ model: answering(), middleware: ledgerMiddleware(other) }).doGenerate({ prompt });
    expect(await settlements(ledger, other)).toHaveLength(2);
  });

  it("has cost nothing where the ledger stops it on its way", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const inner = await ledger.openPool({ tokens: 1 }, { poolId: "inner" });
    const capped = await ledger.openPool({ usd: 1 }, { poolId: "capped" });
    for (const broke of [inner, capped]) {
      // A model of the program's own that asks another one, in its own words.
      const stopped = wrapLanguageModel({ model: answering(), middleware: ledgerMiddleware(broke) });
      const model = metered(new MockLanguageModelV3({ doGenerate: () => stopped.doGenerate({ prompt }) }));
      await expect(model.doGenerate({ prompt })).rejects.toMatchObject({ code: expect.any(String) });
      expect(await latest(ledger, pool)).toEqual([0, 0, true, "0", "down"]);
    }
    expect((await settlements(ledger, pool)).map((row) => row.reason)).toEqual([
      "CallRefusedError",
      "invalid_operation",
    ]);
  });
});

describe("a model metered where it stands, again", () => {
  it("takes the pool as it was opened last, and its options", async () => {
    const { ledger, pool } = await opened(clients);
    const mock = answering();
    meterModel(mock, pool, { label: "before" });
    const again = clients.again(ledger);
    meterModel(mock, await again.openPool({ tokens: 100_000, iterations: 100 }, { poolId: "p" }), { label: "after" });
    await mock.doGenerate({ prompt });
    const labels = await ledger.db.selectFrom("nodes").select("label").where("parent_node_id", "=", "p").execute();
    expect(labels).toEqual([{ label: "after" }]);
    expect(() => meterModel(answering(), undefined as never)).toThrow(/^pool: must be the pool that pays/);
  });
});

describe("an answer that is not as the SDK has it", () => {
  it("is the program's, and booked as far as it can be read", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const { content: _, ...bare } = result({ usage: usage(10, 5) });
    for (const [odd, booked] of [
      [bare, [10, 5, true, null, "done"]],
      [{ ...bare, usage: { inputTokens: null, outputTokens: null } }, [0, 0, false, null, "done"]],
      [{}, [0, 0, false, null, "done"]],
      [undefined, [0, 0, false, null, "done"]],
    ] as const) {
      const model = metered(new MockLanguageModelV3({ doGenerate: async () => odd as never }));
      expect(await model.doGenerate({ prompt })).toEqual(odd);
      expect(await latest(ledger, pool)).toEqual(booked);
    }
    const parts = [...text("a"), null as never, { type: "finish" } as never];
    expect(await read((await metered(streaming(parts)).doStream({ prompt })).stream)).toEqual(parts);
    expect(await latest(ledger, pool)).toEqual([0, 0, false, null, "down"]);
    const none = metered(new MockLanguageModelV3({ doStream: async () => ({}) as never }));
    await expect(none.doStream({ prompt })).rejects.toThrow(TypeError);
    expect(await pool.readout()).toMatchObject({ reservedTokens: 0 });
    expect((await rows(ledger, pool)).filter(({ kind }) => kind === "settled")).toHaveLength(6);
  });

  it("states a receipt only where it is one of the whole call", async () => {
    const { generate } = await opened(clients);
    const used = { prompt_tokens: 100, completion_tokens: 50, cost: 0.0001 };
    const raw = (more: object) => ({ usage: { ...usage(100, 50), raw: { ...used, ...more } as never } });
    const beside = (more: object) => ({
      providerMetadata: { openrouter: { usage: { cost: 0.0001, ...more } } } as never,
    });
    const usd = async (...said: object[]) => (await generate(Object.assign({}, ...said), "openrouter"))[3];
    const price = { costDetails: { upstreamInferenceCost: 0.02 } };
    expect(await usd(raw({ is_byok: true, cost_details: { upstream_inference_cost: null } }), beside({}))).toBe(null);
    expect(await usd(raw({ is_byok: true, cost_details: { upstream_inference_cost: 0.02 } }), beside(price))).toBe(
      "0.0201",
    );
    expect(await usd(beside(price))).toBe("0.0201");
    expect(await usd(beside({ isByok: true }))).toBe(null);
    // The router's own price of a call that it pays for: a part of the cost.
    expect(await usd(beside({ costDetails: { upstreamInferenceCost: 0.0001 } }))).toBe("0.0001");
    expect(await usd(beside({ isByok: false, ...price }))).toBe("0.0001");
  });

  it("is a lower bound where the provider's own words are one", async () => {
    const { generate } = await opened(clients);
    const raw = { inputTokens: 100, outputTokens: 20, totalTokens: 120, cacheReadInputTokens: 50 };
    const said = { usage: { ...usage(150, 20, { read: 50 }), raw } };
    expect(await generate(said, "amazon-bedrock")).toEqual([100, 20, false, null, "done"]);
  });
});
