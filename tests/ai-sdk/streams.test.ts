/** Streams of the AI SDK's own test models, metered: what is booked of each way in which one can end. */
import { setImmediate as turn } from "node:timers/promises";
import type { LanguageModelV3StreamPart } from "@ai-sdk/provider";
import { MockLanguageModelV3 } from "ai/test";
import { describe, expect, it } from "vitest";
import { useClients } from "../ledger/client.js";
import { digestOf, latest, settlements } from "./books.js";
import { finish, opened, prompt, read, result, streaming, text } from "./test-model.js";

const clients = useClients();

describe("a stream", () => {
  it("is booked before its end is seen, with what it said at its end", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const called = { type: "tool-call", toolCallId: "c1", toolName: "search", input: "{}" } as const;
    const parts = [...text("a", "b"), called, finish("stop", "stop")];
    const { stream } = await metered(streaming(parts)).doStream({ prompt });
    const seen: unknown[] = [];
    for await (const part of stream) {
      if (part.type === "finish") expect(await pool.readout()).toMatchObject({ tokensLeft: 99_985, reservedTokens: 0 });
      seen.push(part);
    }
    expect(seen).toEqual(parts);
    expect(await latest(ledger, pool)).toEqual([10, 5, true, null, "done"]);
    expect(await settlements(ledger, pool)).toMatchObject([
      {
        model: "m-1",
        provider_request_id: "r-1",
        tool_calls: [{ name: "search", id: "c1", arguments: digestOf("{}") }],
      },
    ]);
  });

  const begun = { type: "tool-input-start", id: "c9", toolName: "search" } as const;

  it.each<[string, LanguageModelV3StreamPart[], unknown]>([
    ["ends without an end", text("a"), "the stream broke off"],
    ["has an error", [...text("a"), { type: "error", error: new TypeError("secret") }], "TypeError"],
    ["has an error, and an end", [{ type: "error", error: "secret" }, finish("other", undefined)], "error"],
    // What the SDK puts where nobody said why it ended; its counts are no receipt.
    ["is ended by the SDK", [...text("a"), begun, finish("other", undefined)], "the stream broke off"],
  ])("that %s is unknown", async (_, parts, reason) => {
    const { ledger, pool, metered } = await opened(clients);
    expect(await read((await metered(streaming(parts)).doStream({ prompt })).stream)).toEqual(parts);
    expect(await latest(ledger, pool)).toEqual([0, 0, false, null, "down"]);
    const [row] = await settlements(ledger, pool);
    expect(row).toMatchObject({ reason, tool_calls: parts.includes(begun) ? [{ name: "search", id: "c9" }] : null });
  });

  const raw = (rawValue: unknown) => ({ type: "raw", rawValue }) as const;
  const start = { type: "message_start", message: { id: "msg", usage: { input_tokens: 8, output_tokens: 1 } } };

  it("that is cut has told what it said until then, if only in the provider's own chunks", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const parts = [raw(start), ...text("a")];
    const model = () => metered(streaming(parts, "acme.messages"));
    // Chunks that the program did not ask for it does not get.
    expect(await read((await model().doStream({ prompt })).stream)).toEqual(text("a"));
    expect(await latest(ledger, pool)).toEqual([8, 1, false, null, "down"]);
    expect(await read((await model().doStream({ prompt, includeRawChunks: true })).stream)).toEqual(parts);
    expect(await settlements(ledger, pool)).toHaveLength(2);
  });

  it("that is cancelled, aborted or breaks is booked at once", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const cancelled: unknown[] = [];
    const open = (pull: (controller: ReadableStreamDefaultController) => void = () => {}) => {
      const stream = new ReadableStream<LanguageModelV3StreamPart>({
        start: (controller) => controller.enqueue(raw(start)),
        pull,
        cancel: (reason) => void cancelled.push(reason),
      });
      return metered(new MockLanguageModelV3({ doStream: { stream } }));
    };
    // The chunk that nobody asked for has come in where somebody waits for one that was.
    const waiting = async (stream: ReadableStream<LanguageModelV3StreamPart>) => {
      const reader = stream.getReader();
      const next = reader.read();
      next.catch(() => {});
      await turn();
      return { reader, next };
    };
    const { reader } = await waiting((await open().doStream({ prompt })).stream);
    await reader.cancel("enough");
    expect(cancelled).toEqual(["enough"]);
    expect(await latest(ledger, pool)).toEqual([8, 1, false, null, "done"]);

    const controller = new AbortController();
    const answer = await open().doStream({ prompt, abortSignal: controller.signal });
    await waiting(answer.stream);
    controller.abort();
    while ((await pool.readout()).reservedTokens !== 0);
    expect(await latest(ledger, pool)).toEqual([8, 1, false, null, "down"]);

    const broken = new TypeError("terminated");
    const { next } = await waiting((await open((upstream) => upstream.error(broken)).doStream({ prompt })).stream);
    await expect(next).rejects.toBe(broken);
    expect((await settlements(ledger, pool)).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ["done", "not read to its end"],
      ["down", "AbortError"],
      ["down", "TypeError"],
    ]);
  });

  it("that nobody reads is charged its ceilings when its lease has passed", async () => {
    const { ledger, pool, metered } = await opened(clients, { perCall: { tokens: 400 }, leaseMs: 1 });
    await metered(streaming([...text("a"), finish("stop", "stop")])).doStream({ prompt });
    const expire = () => ledger.apply([{ op: "expire", operation_id: crypto.randomUUID(), pool_id: "p" }]);
    while ((await expire())[0]?.result.expired?.length !== 1);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 99_600, tokensKnown: false, reservedTokens: 0 });
  });
});

describe("a call that is given up", () => {
  it("is not made, and used nothing", async () => {
    const controller = new AbortController();
    const { ledger, pool, metered } = await opened(clients, {
      perCall: () => {
        controller.abort(new Error("given up"));
        return {};
      },
    });
    const mock = new MockLanguageModelV3({ doGenerate: result({}) });
    for (let again = 0; again < 2; again += 1) {
      await expect(metered(mock).doGenerate({ prompt, abortSignal: controller.signal })).rejects.toThrow("given up");
    }
    expect(mock.doGenerateCalls).toHaveLength(0);
    const rows = await ledger.db.selectFrom("journal").select("kind").where("kind", "<>", "opened").execute();
    expect(rows).toEqual([]);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 100_000, reservedTokens: 0 });
  });
});
