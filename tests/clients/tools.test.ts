/** Tools that models ask for through the clients, and what became of them: names, ids and digests, and never a text. */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { anthropicUsage } from "../wire/anthropic.js";
import { usageOf } from "../wire/openai-chat.js";
import { useMetered } from "./metered.js";

const meter = useMetered();

const CITY = { city: "a secret place" };
const DIGEST = `sha256:${createHash("sha256").update(JSON.stringify(CITY)).digest("hex")}`;
const lookUp = (id: string) => ({ toolCalls: [{ id, name: "look_up", arguments: CITY }] });

it("are told with the call that asked, how they ended with the next one where the format says so", async () => {
  const metered = await meter([
    { says: { ...lookUp("toolu_1"), usage: anthropicUsage(9, 8) } },
    { says: { text: "There.", usage: anthropicUsage(20, 2) } },
    { says: { ...lookUp("call_1"), usage: usageOf(9, 8) } },
  ]);
  const { anthropic, openai, ledger } = metered;
  const asked = { model: "claude-opus-4-6", max_tokens: 99 };
  const first = { role: "user" as const, content: "Where?" };
  const { content } = await anthropic.messages.create({ ...asked, messages: [first] });
  const failed = { type: "tool_result" as const, tool_use_id: "toolu_1", content: "a secret reason", is_error: true };
  const messages = [first, { role: "assistant" as const, content }, { role: "user" as const, content: [failed] }];
  await anthropic.messages.stream({ ...asked, messages }).finalMessage();
  await openai.chat.completions.stream({ model: "gpt-5-mini", messages: [first] }).finalChatCompletion();

  const { db, tenantId } = ledger;
  const rows = await db.selectFrom("tool_calls").where("tenant_id", "=", tenantId).selectAll().execute();
  const told = rows.map(({ tool, call_id, arguments: digest, status }) => [tool, call_id, digest, status]);
  expect(told.toSorted()).toEqual([
    ["look_up", "call_1", DIGEST, null],
    ["look_up", "toolu_1", DIGEST, "error"],
  ]);
  const booked = await db.selectFrom("journal").where("tenant_id", "=", tenantId).selectAll().execute();
  expect(JSON.stringify(booked)).not.toMatch(/secret/);
});
