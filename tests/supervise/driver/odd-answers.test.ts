/** Answers of chats that are not as they should be: each call is booked with what can be kept of it. */
import { expect, it } from "vitest";
import { LedgerError } from "../../../src/ledger/errors.js";
import { ChatError, type DriverChat } from "../../../src/supervise/driver/chat.js";
import { coordinationDriverAgent } from "../../../src/supervise/driver/driver.js";
import { useClients } from "../../ledger/client.js";
import { useDriverRuns } from "./drivers.js";
import { driverOf, results } from "./workers.js";

const clients = useClients();
const setUp = useDriverRuns(clients);

const used = { input: 100, output: 50 };
const paid = { usage: used, costUsd: "0.01" };
const call = (more: object = {}) => ({ id: "1", name: "list_questions", arguments: "{}", ...more });

/** A chat as JavaScript may give one: its answers are not checked by anybody. */
function chatOf(answers: readonly unknown[]) {
  const asked: Parameters<DriverChat["complete"]>[0][] = [];
  const chat: DriverChat = {
    provider: "acme",
    model: "small",
    complete: async (request) => {
      const answer = answers[asked.push(request) - 1];
      if (answer instanceof Error) throw answer;
      return answer as never;
    },
  };
  return { chat, asked };
}

it("each call is booked as far as the ledger can keep it", async () => {
  const { scope, metered } = await setUp({ tokens: 10_000, iterations: 10 });
  const many = Array.from({ length: 1_001 }, (_, n) => call({ id: `${n}` }));
  const odd = Object.assign(new ChatError("x", paid), { message: Object.create(null) });
  const { chat, asked } = chatOf([
    { toolCalls: [call({ name: undefined })], ...paid },
    { toolCalls: many, ...paid },
    { toolCalls: many.map((one) => ({ ...one, name: "😀".repeat(90) })), ...paid },
    { toolCalls: [call()], ...paid, model: "\ud800m", providerRequestId: "\udfff" },
    { toolCalls: [call()], usage: { input: 1e18, output: 50 }, costUsd: "999999999999999.9999999999999" },
    { toolCalls: [call({ arguments: {} }), null], usage: null, costUsd: "0.01" },
    { content: { no: "text" }, toolCalls: [call({ arguments: { questionId: 1 }, name: "answer_question" })], ...paid },
    odd,
  ]);
  await expect(coordinationDriverAgent(driverOf(chat)).act(null, scope)).rejects.toBe(odd);
  const rows = await metered();
  const names = rows.map(({ tool_calls }) => tool_calls as string[]);
  const kept = { input_tokens: "100", output_tokens: "50", usd: "0.01", tokens_known: true, usd_known: true };
  const small = { provider: "acme", model: "small", provider_request_id: null };
  expect(rows).toMatchObject([
    kept,
    kept,
    kept,
    { ...kept, ...small },
    { input_tokens: "0", output_tokens: "50", usd: null, tokens_known: false, usd_known: false },
    { input_tokens: "0", output_tokens: "0", usd: "0.01", tokens_known: false, usd_known: true },
    kept,
    { ...kept, purpose: "failed" },
  ]);
  expect([names[0], names[1]?.length, names[3], names[5]]).toEqual([
    [""],
    1_000,
    ["list_questions"],
    ["list_questions"],
  ]);
  expect(names[2]?.length).toBeGreaterThan(100);
  const told = results(asked.at(-1)?.messages ?? []);
  expect(told[0]).toMatchObject({ error: "unknown-tool" });
  expect(told.at(-2)).toEqual({ questions: [] });
  expect(told.at(-1)).toMatchObject({ error: "bad-arguments" });
});

it("what the ledger refuses all the same is booked once more, with its receipt alone", async () => {
  const { scope, metered } = await setUp();
  const meter: typeof scope.meter = (spend, detail) =>
    detail.toolCalls.length > 0
      ? Promise.reject(new LedgerError("LG001", "tool_calls: unheard of"))
      : scope.meter(spend, detail);
  const refusing = new Proxy(scope, {
    get: (of, name) => {
      if (name === "meter") return meter;
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
  const { chat } = chatOf([{ toolCalls: [call()], ...paid }]);
  await coordinationDriverAgent(driverOf(chat, { maxTurns: 1 })).act(null, refusing);
  expect(await metered()).toMatchObject([
    { usd: "0.01", usd_known: true, tokens_known: false, input_tokens: "0", tool_calls: [], model: "small" },
  ]);
});

it("calls without a single token end a driver that nothing else bounds", async () => {
  const { scope, metered } = await setUp();
  const { chat } = chatOf(Array(60).fill({ toolCalls: [call()], usage: { input: 0, output: 0 }, costUsd: 0 }));
  const agent = coordinationDriverAgent(driverOf(chat, { maxTurns: 0 }));
  await expect(agent.act(null, scope)).rejects.toMatchObject({ name: "unmetered" });
  expect(await metered()).toHaveLength(20);
});
