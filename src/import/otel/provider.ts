/** The provider of a call, by the name that the book of prices has for it. */
import { GEN_AI } from "../../otel/names.js";
import { priceProviderOf } from "../../usage/providers.js";
import { nameOf } from "./naming.js";
import type { Value } from "./values.js";

/** Names of the conventions, old ones too, that the prices have others for. */
const CONVENTIONS: Readonly<Record<string, string>> = {
  "aws.bedrock": "aws",
  "az.ai.inference": "azure",
  "azure.ai.inference": "azure",
  "az.ai.openai": "azure",
  "azure.ai.openai": "azure",
  "gcp.gemini": "google",
  "gcp.gen_ai": "google",
  "gcp.vertex_ai": "google",
  gemini: "google",
  vertex_ai: "google",
  mistral_ai: "mistral",
  x_ai: "x-ai",
};

/** The provider; undefined where the span does not say. */
export function providerOf(attributes: ReadonlyMap<string, Value>): string | undefined {
  const name = nameOf(attributes, [GEN_AI.provider, GEN_AI.system, "ai.model.provider"]);
  if (name === undefined) return undefined;
  return Object.hasOwn(CONVENTIONS, name) ? CONVENTIONS[name] : priceProviderOf(name) || name;
}
