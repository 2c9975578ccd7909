/** Providers by the ids that the AI SDK gives them: how they state usage, and what the book of prices calls them. */
import type { UsageFormat } from "./usage.js";

interface Provider {
  /** Matches the beginning of an id, up to a dot or the end: `google.vertex` is of `google`. */
  readonly id: string;
  readonly format: UsageFormat;
  /** Its id in the price catalogue. */
  readonly prices: string;
}

function provider(id: string, format: UsageFormat, prices = id): Provider {
  return { id, format, prices };
}

/** Of two that match the longer id holds. */
const PROVIDERS: readonly Provider[] = [
  provider("openai", "openai-chat"),
  provider("openai.responses", "openai-responses", "openai"),
  provider("azure", "openai-chat"),
  provider("azure.responses", "openai-responses", "azure"),
  provider("azure-openai", "openai-chat", "azure"),
  provider("azure-openai.responses", "openai-responses", "azure"),
  provider("azure.anthropic", "anthropic", "azure"),
  provider("anthropic", "anthropic"),
  provider("google", "gemini"),
  provider("vertex", "gemini", "google"),
  provider("vertex.anthropic", "anthropic", "google"),
  provider("google.vertex.anthropic", "anthropic", "google"),
  provider("googlevertex", "gemini", "google"),
  provider("googlevertex.anthropic", "anthropic", "google"),
  provider("openrouter", "openrouter"),
  provider("amazon-bedrock", "bedrock", "aws"),
  provider("bedrock", "bedrock", "aws"),
  provider("bedrock.anthropic", "anthropic", "aws"),
  provider("xai", "openai-chat", "x-ai"),
  provider("xai.responses", "openai-responses", "x-ai"),
  // These speak as OpenAI's chat does.
  provider("cerebras", "openai-chat"),
  provider("deepseek", "openai-chat"),
  provider("fireworks", "openai-chat"),
  provider("groq", "openai-chat"),
  provider("mistral", "openai-chat"),
  provider("moonshotai", "openai-chat"),
  provider("perplexity", "openai-chat"),
  provider("togetherai", "openai-chat", "together"),
];

/** The provider of an id, whose letters may be large. */
function providerOf(id: string): Provider | undefined {
  const name = `${id.toLowerCase()}.`;
  const matching = PROVIDERS.filter((one) => name.startsWith(`${one.id}.`));
  return matching.sort((a, b) => b.id.length - a.id.length)[0];
}

/** The format in which a provider of the AI SDK states usage (`openai.chat`, `google.vertex.chat`); undefined where it is not known. */
export function formatOf(provider: string): UsageFormat | undefined {
  return providerOf(provider)?.format;
}

/** What the price catalogue calls a provider of the AI SDK; one that is not known keeps the first part of its id. */
export function priceProviderOf(provider: string): string {
  const [first] = provider.split(".");
  return providerOf(provider)?.prices ?? (first || provider);
}
