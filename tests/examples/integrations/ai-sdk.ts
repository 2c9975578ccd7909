/** What to wear in five cities: a model says, after it has looked at the weather. */
import { openai } from "@ai-sdk/openai";
import { generateText, stepCountIs, tool } from "ai";
import { z } from "zod";
import { createLedger, meterModel } from "../../../src/index.js";

const weather = tool({
  description: "The weather in a city, now",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `${city}: 18 degrees, some clouds`,
});

const model = openai("gpt-5-mini");
const pool = await createLedger({ tenantId: "local" }).openPool({ usd: "0.02" }, { poolId: "outfits" });
meterModel(model, pool);

for (const city of ["Lisbon", "Oslo", "Quito", "Hanoi", "Accra"]) {
  const prompt = `What should I wear in ${city} today?`;
  const { text } = await generateText({ model, tools: { weather }, stopWhen: stepCountIs(3), prompt });
  console.log(`${city}: ${text}`);
}
