/** The example of both clients, as a newcomer runs it, before a provider on this machine; and what the README shows of it. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { anthropicUsage } from "../../wire/anthropic.js";
import { usageOf } from "../../wire/openai-chat.js";
import { WireServer } from "../../wire/server.js";
import { useExamples } from "../program.js";
import { readmeBlocks } from "../readme.js";

const PROGRAM = new URL("clients.ts", import.meta.url);

const examples = useExamples();
let server: WireServer;

beforeAll(async () => {
  server = await WireServer.start(({ path }) =>
    path === "/v1/messages"
      ? { says: { text: "Hills stand still.", usage: anthropicUsage(20, 880) } }
      : { says: { text: "Rivers run on.", usage: usageOf(18, 200) } },
  );
});
afterAll(() => server?.stop());

it("asks both until the budget is used up, and stops with an error of that name", async () => {
  const env = {
    OPENAI_API_KEY: "key",
    OPENAI_BASE_URL: server.baseURL,
    ANTHROPIC_API_KEY: "key",
    ANTHROPIC_BASE_URL: server.origin,
  };
  expect(await examples.linesOf(PROGRAM, env)).toEqual([
    "Rivers run on.",
    "Hills stand still.",
    "Hills stand still.",
    // 2,900 less 218 and twice 900; the prompt has 82 bytes as JSON, and the answer may have 900 tokens.
    "budget-exhausted: claude-opus-4-6 asked for 982 tokens, 882 are left",
    "claude-opus-4-6 2 calls 1800 tokens",
    "gpt-5-mini 1 calls 218 tokens",
  ]);
  expect(server.requests).toHaveLength(3);
});

it("is what the README shows", () => {
  const file = readFileSync(PROGRAM, "utf8").replace("../../../src/index.js", "agent-ledger");
  const [block = ""] = readmeBlocks("typescript").filter((block) => block.includes("meterOpenAI"));
  for (const line of block.trimEnd().split("\n")) expect(file.split("\n")).toContain(line);
});
