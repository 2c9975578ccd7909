/** Providers by the names that the AI SDK has for them. */
import { describe, expect, it } from "vitest";
import { catalogueProviders } from "../../src/prices/catalogue.js";
import { formatOf, priceProviderOf } from "../../src/usage/providers.js";
import type { UsageFormat } from "../../src/usage/usage.js";

const KNOWN: readonly [string, UsageFormat, string][] = [
  ["openai.chat", "openai-chat", "openai"],
  ["openai.responses", "openai-responses", "openai"],
  ["azure.chat", "openai-chat", "azure"],
  ["azure.responses", "openai-responses", "azure"],
  ["azure-openai.responses", "openai-responses", "azure"],
  ["anthropic.messages", "anthropic", "anthropic"],
  ["google.generative-ai", "gemini", "google"],
  ["google.vertex.chat", "gemini", "google"],
  ["vertex.anthropic.messages", "anthropic", "google"],
  ["googleVertex.anthropic.messages", "anthropic", "google"],
  ["openrouter", "openrouter", "openrouter"],
  ["openrouter.chat", "openrouter", "openrouter"],
  ["amazon-bedrock", "bedrock", "aws"],
  ["bedrock.anthropic.messages", "anthropic", "aws"],
  ["xai.chat", "openai-chat", "x-ai"],
  ["xai.responses", "openai-responses", "x-ai"],
  ["togetherai.chat", "openai-chat", "together"],
  ["mistral.chat", "openai-chat", "mistral"],
];

describe("a provider", () => {
  it.each(KNOWN)("%s states usage as %s, and has prices as %s", async (provider, format, prices) => {
    expect(formatOf(provider)).toBe(format);
    expect(priceProviderOf(provider)).toBe(prices);
    expect(await catalogueProviders()).toContain(prices);
  });

  it.each([
    ["gateway", "gateway"],
    ["openai-like.chat", "openai-like"],
    ["my.own.chat", "my"],
    [".chat", ".chat"],
  ])("%s is not known, and keeps the first part of its name", (provider, prices) => {
    expect(formatOf(provider)).toBeUndefined();
    expect(priceProviderOf(provider)).toBe(prices);
  });
});
