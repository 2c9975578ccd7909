/** What stands for `fetch` in a program, and what it answers: nothing that it does leaves a hold behind or costs the program its answer. */
import { Readable } from "node:stream";
import OpenAI from "openai";
import { expect, it } from "vitest";
import { usageOf } from "../wire/openai-chat.js";
import { type Metered, settled, thrown, useMetered } from "./metered.js";

const meter = useMetered();
const chat = { model: "gpt-5-mini", messages: [{ role: "user" as const, content: "Go." }] };
const head = { id: "c", model: "gpt-5-mini" };
const usage = usageOf(11, 5);
const choices = [{ index: 0, message: { role: "assistant", content: "Gone." }, finish_reason: "stop" }];
const BODY = JSON.stringify({ ...head, choices, usage });
const PIECES = [
  { ...head, choices: [{ index: 0, delta: { content: "Gone." }, finish_reason: null }], usage: null },
  { ...head, choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage: null },
  { ...head, choices: [], usage },
].map((piece) => `data: ${JSON.stringify(piece)}\n\n`);

async function ends(metered: Metered): Promise<unknown[]> {
  const rows = await settled(metered);
  return rows.map(({ outcome, reason, tokens, known }) => [outcome, reason, ...tokens.slice(0, 2), known]);
}

/** A response whose body is what is made, as that of node-fetch is a stream of Node's. */
function responding(body: () => unknown, type = "application/json"): typeof fetch {
  return async () => {
    const response = new Response(BODY, { headers: { "content-type": type } });
    return Object.defineProperty(response, "body", { value: body() });
  };
}

it("one that throws at once", async () => {
  const metered = await meter([], {
    fetch: () => {
      throw new TypeError("no such fetch");
    },
  });
  expect(await thrown(() => metered.openai.chat.completions.create(chat))).toBeInstanceOf(OpenAI.APIConnectionError);
  expect(await ends(metered)).toEqual([["down", "TypeError", 0, 0, false]]);
});

it("bodies that are streams of Node's, of bytes and of texts", async () => {
  const metered = await meter([], { fetch: responding(() => Readable.from([Buffer.from(BODY)])) });
  const { choices } = await metered.openai.chat.completions.create(chat);
  expect(choices[0]?.message.content).toBe("Gone.");
  expect(await ends(metered)).toEqual([["done", null, 11, 5, true]]);

  const streamed = await meter([], { fetch: responding(() => Readable.from(PIECES), "text/event-stream") });
  const pieces: unknown[] = [];
  for await (const { choices } of await streamed.openai.chat.completions.create({ ...chat, stream: true })) {
    pieces.push(choices[0]?.delta.content);
  }
  expect(pieces).toEqual(["Gone.", undefined]);
  expect(await ends(streamed)).toEqual([["done", null, 11, 5, true]]);
});

it("a stream of Node's that the program leaves is destroyed", async () => {
  const body = Readable.from(PIECES);
  const metered = await meter([], { fetch: responding(() => body, "text/event-stream") });
  for await (const _ of await metered.openai.chat.completions.create({ ...chat, stream: true })) break;
  expect(body.destroyed).toBe(true);
  expect(await ends(metered)).toEqual([["done", "not read to its end", 0, 0, false]]);
});

it("a body of no kind that can be heard: the program has its answer, what it used is unknown", async () => {
  const metered = await meter([], { fetch: responding(() => ({})) });
  const { choices } = await metered.openai.chat.completions.create(chat);
  expect(choices[0]?.message.content).toBe("Gone.");
  expect(await ends(metered)).toEqual([["down", "the answer could not be heard", 0, 0, false]]);
});

it("a length of the answer is not told where a piece of it is taken out", async () => {
  const body = PIECES.join("");
  const headers = {
    "content-type": "text/event-stream",
    "content-length": String(Buffer.byteLength(body)),
    "x-of": "it",
  };
  const metered = await meter([], { fetch: async () => new Response(body, { headers }) });
  const lengths: unknown[] = [];
  for (const include_usage of [false, true]) {
    const asked = { ...chat, stream: true as const, stream_options: { include_usage } };
    const given = await metered.openai.chat.completions.create(asked).asResponse();
    const { byteLength } = await given.arrayBuffer();
    lengths.push([given.headers.get("content-length"), given.headers.get("x-of"), byteLength]);
  }
  const [first = "", second = ""] = PIECES;
  expect(lengths).toEqual([
    [null, "it", `${first}${second}`.length],
    [String(body.length), "it", body.length],
  ]);
});

it("a program may hand the pieces on with the memory they are in", async () => {
  const metered = await meter([], {
    fetch: responding(() => Readable.from([Buffer.from(PIECES.join(""))]), "text/event-stream"),
  });
  let given = 0;
  for (const include_usage of [false, true]) {
    const asked = { ...chat, stream: true as const, stream_options: { include_usage } };
    const { body } = await metered.openai.chat.completions.create(asked).asResponse();
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      expect([chunk.constructor, chunk.buffer.byteLength]).toEqual([Uint8Array, chunk.byteLength]);
      given += chunk.byteLength;
    }
  }
  expect(given).toBe(PIECES.join("").length + PIECES.slice(0, 2).join("").length);
});

it("two answers, one after the other, of which the second breaks off", async () => {
  const piece = (index: number, content: string, finish_reason: string | null, output: number) =>
    `data: ${JSON.stringify({ ...head, choices: [{ index, delta: { content }, finish_reason }], usage: usageOf(10, output) })}\n\n`;
  const pieces = [piece(0, "a", "stop", 2), piece(1, "b", null, 3), piece(1, "c", "stop", 50)];
  const metered = await meter([], {
    fetch: async (_, init) => {
      const { stop } = JSON.parse(String(init?.body));
      return new Response(pieces.slice(0, stop).join(""), { headers: { "content-type": "text/event-stream" } });
    },
  });
  for (const sent of [1, 2, 3]) {
    const asked = { ...chat, n: 2, stream: true as const, stop: sent as unknown as string };
    for await (const _ of await metered.openai.chat.completions.create(asked));
  }
  expect(await ends(metered)).toEqual([
    ["down", "the answer broke off", 10, 2, false],
    ["down", "the answer broke off", 10, 3, false],
    ["done", null, 10, 50, true],
  ]);
});

it("prompts of a text completion are answered each", async () => {
  const asked: unknown[] = [];
  const metered = await meter([], {
    fetch: async () => Response.json({ ...head, choices: [], usage }),
    options: {
      perCall: ({ maxOutputTokens }) => {
        asked.push(maxOutputTokens);
        return { tokens: 1_000 };
      },
    },
  });
  const { completions } = metered.openai;
  await completions.create({ model: "m", prompt: ["a", "b", "c"], max_tokens: 10, n: 2 });
  await completions.create({ model: "m", prompt: [1, 2, 3], max_tokens: 10 });
  expect(asked).toEqual([60, 10]);
  expect(await settled(metered)).toHaveLength(2);
});
