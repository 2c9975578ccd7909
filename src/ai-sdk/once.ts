/** A call is metered once, by the outermost that meters it: a mark that travels inward with the call's parameters. */
import type { LanguageModelV3CallOptions } from "@ai-sdk/provider";

const METERED = Symbol.for("agent-ledger.metered");

/** Whether somebody further out meters the call. */
export function isMetered(params: LanguageModelV3CallOptions): boolean {
  return METERED in params || METERED in params.prompt;
}

/**
 * The same parameters, marked. Parameters that are spread into others keep the mark; the SDK's own merging of settings keeps the prompt, but
 * no symbols, so that a copy of the prompt bears it too.
 */
export function asMetered(params: LanguageModelV3CallOptions): LanguageModelV3CallOptions {
  const prompt = Object.defineProperty([...params.prompt], METERED, { value: true });
  return Object.assign({ ...params, prompt }, { [METERED]: true });
}
