/**
 * A program that asks two providers, on one budget: what each model used, and the error at the cap. `OPENAI_BASE_URL` and
 * `ANTHROPIC_BASE_URL` say where they are; left out, it asks the real ones.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { CallRefusedError, createLedger, meterAnthropic, meterOpenAI } from "../../../src/index.js";

const ledger = createLedger({ tenantId: "local" });
const pool = await ledger.openPool({ tokens: 2_900 }, { poolId: "newsletter" });
const openai = meterOpenAI(new OpenAI(), pool);
const anthropic = meterAnthropic(new Anthropic(), pool);

const ask = (about: string) => [{ role: "user" as const, content: `Two lines about ${about}, please.` }];
try {
  const drafts = { model: "gpt-5-mini", messages: ask("rivers"), max_completion_tokens: 400 };
  for await (const piece of await openai.chat.completions.create({ ...drafts, stream: true })) {
    process.stdout.write(piece.choices[0]?.delta.content ?? "\n");
  }
  for (;;) {
    const edits = { model: "claude-opus-4-6", messages: ask("hills"), max_tokens: 900 };
    const { content } = await anthropic.messages.create(edits);
    for (const block of content) if (block.type === "text") console.log(block.text);
  }
} catch (error) {
  if (!(error instanceof CallRefusedError)) throw error;
  const [{ requested, free } = { requested: 0, free: 0 }] = error.shortfall;
  console.log(`${error.code}: ${error.model} asked for ${requested} tokens, ${free} are left`);
}

const spent = ledger.db.selectFrom("usage_daily").where("tenant_id", "=", "local").orderBy("model");
for (const { model, lines, charged_tokens } of await spent.selectAll().execute()) {
  console.log(model, `${lines} calls ${charged_tokens} tokens`);
}
await ledger.close();
