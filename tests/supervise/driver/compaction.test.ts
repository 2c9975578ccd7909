/** A conversation that grew too long: its older part becomes a summary, metered like any call, and stays one that endpoints take. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChatMessage } from "../../../src/supervise/driver/chat.js";
import { older, summaryRequest } from "../../../src/supervise/driver/compaction.js";
import { coordinationDriverAgent } from "../../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../../src/supervise/driver/scripted-chat.js";
import { useClients } from "../../ledger/client.js";
import { useDriverRuns } from "./drivers.js";
import { calls, driverOf, over } from "./workers.js";

const clients = useClients();
const setUp = useDriverRuns(clients);

/** Calls without a result behind them, and results without a call before them. */
function torn(messages: readonly ChatMessage[]): string[] {
  const open = new Set<string>();
  const stray: string[] = [];
  for (const message of messages) {
    if (message.role === "tool" && !open.delete(message.toolCallId)) stray.push(message.toolCallId);
    if (message.role !== "tool") stray.push(...open);
    if (message.role === "assistant") for (const { id } of message.toolCalls) open.add(id);
  }
  return [...stray, ...open];
}

describe("what is summarised", () => {
  const turn = fc.record({ calls: fc.nat({ max: 4 }), messages: fc.nat({ max: 2 }) });

  it("never parts a result from its call, loses nothing, keeps at least the last messages", () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 12 }), fc.nat({ max: 12 }), (turns, keepLast) => {
        const body = turns.flatMap(({ calls: count, messages }, place): ChatMessage[] => {
          const ids = Array.from({ length: count }, (_, n) => `${place}.${n}`);
          return [
            ...Array.from({ length: messages }, (): ChatMessage => ({ role: "user", content: "go" })),
            { role: "assistant", content: "", toolCalls: ids.map((id) => ({ id, name: "f", arguments: "{}" })) },
            ...ids.map((toolCallId): ChatMessage => ({ role: "tool", toolCallId, content: "1" })),
          ];
        });
        const parts = older(body, { aboveTokens: 0, keepLast });
        if (!parts) return;
        expect(torn(parts.summarised)).toEqual([]);
        expect(torn(parts.kept)).toEqual([]);
        expect([...parts.summarised, ...parts.kept]).toEqual(body);
        expect(parts.kept.length).toBeGreaterThanOrEqual(Math.min(keepLast, body.length));
        expect(parts.summarised.length).toBeGreaterThanOrEqual(2);
      }),
    );
  });

  it("is asked for as text, with the instructions given", () => {
    const request = summaryRequest(
      [
        { role: "assistant", content: "look", toolCalls: [{ id: "1", name: "f", arguments: '{"a":1}' }] },
        { role: "tool", toolCallId: "1", content: "2" },
      ],
      { aboveTokens: 0, instructions: "be brief" },
    );
    expect(request).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: '[assistant] look\n[call 1] f({"a":1})\n\n[result of 1] 2' },
    ]);
  });
});

describe("a driver that compacts", () => {
  const turn = (input: number, name = "list_questions") => ({ ...calls(name), usage: { input, output: 1 } });

  it("goes on with a summary, which is metered as a compaction of the turn it precedes", async () => {
    const { scope, metered } = await setUp({ tokens: 10_000, iterations: 10, usd: 1 });
    const summary = { content: "nothing is open", usage: { input: 70, output: 7 }, costUsd: "0.003" };
    const chat = scriptedChat([turn(10), turn(20), turn(101), summary, turn(100), over]);
    const compaction = { aboveTokens: 100, keepLast: 1 };
    await coordinationDriverAgent(driverOf(chat, { compaction })).act("do it", scope);

    expect((await metered()).map(({ turn: at, purpose, input_tokens }) => [at, purpose, input_tokens])).toEqual([
      [0, "turn", "10"],
      [1, "turn", "20"],
      [2, "turn", "101"],
      [3, "compaction", "70"],
      [3, "turn", "100"],
      [4, "turn", "0"],
    ]);
    expect((await metered())[3]).toMatchObject({ usd: "0.003", detail: { kind: "driver-compaction", driver: "d" } });
    expect(chat.requests[3]?.tools).toEqual([]);
    const after = chat.requests[4]?.messages ?? [];
    expect(after.map(({ role }) => role)).toEqual(["system", "user", "user", "assistant", "tool"]);
    expect(after[1]?.content).toBe("do it");
    expect(after[2]?.content).toBe("Summary of what was said and done so far:\nnothing is open");
    expect(chat.requests.map(({ messages }) => torn(messages))).toEqual(Array(6).fill([]));
  });

  it("goes on as it was where no summary came, and asks again before the next turn", async () => {
    const { scope, metered, ledger } = await setUp({ tokens: 10_000, iterations: 10 });
    const chat = scriptedChat([turn(101), turn(102), turn(103), over]);
    const summariser = scriptedChat([{ error: "busy" }, { content: " ", usage: { input: 5, output: 0 }, costUsd: 0 }], {
      model: "small",
    });
    const compaction = { aboveTokens: 100, keepLast: 2, chat: summariser };
    await coordinationDriverAgent(driverOf(chat, { compaction })).act("do it", scope);
    expect((await metered()).map(({ turn: at, purpose, model }) => [at, purpose, model])).toEqual([
      [0, "turn", null],
      [1, "turn", null],
      [2, "failed", "small"],
      [2, "turn", null],
      [3, "compaction", "small"],
      [3, "turn", null],
    ]);
    expect(chat.requests[3]?.messages.map(({ role }) => role)).toEqual([
      ...["system", "user", "assistant", "tool", "assistant", "tool", "assistant", "tool"],
    ]);
    expect(await ledger.db.selectFrom("calls_in_doubt").selectAll().execute()).toEqual([]);
  });
});
