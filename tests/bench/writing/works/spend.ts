/** What a model call spent, different from one to the next, and the same as what callers are told. */
import { randomUUID } from "node:crypto";
import type { Told } from "../loads/load.js";

/** The n-th call's usage. */
export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly usd: string;
  readonly ms: number;
}

/** The n-th spend. */
export function usageOf(n: number): Usage {
  return {
    input_tokens: 1000 + (n % 97),
    output_tokens: 100 + (n % 13),
    cache_read_tokens: 500,
    usd: `0.0${100 + (n % 89)}`,
    ms: 900 + (n % 50),
  };
}

/** As what it is to be in the books. */
export function bookedOf({ input_tokens, output_tokens, usd }: Usage): { tokens: number; usd_millionths: number } {
  return { tokens: input_tokens + output_tokens, usd_millionths: Math.round(Number(usd) * 1e6) };
}

/** Which call it was. */
export function callOf(n: number): { provider: string; model: string; providerRequestId: string } {
  return { provider: "acme", model: `model-${n % 3}`, providerRequestId: `req_${randomUUID()}` };
}

/** Tags of a caller's, of which there are few. */
export function tagsOf(n: number): Record<string, string> {
  return { feature: "review", team: `team-${n % 5}` };
}

/** One metered turn, as it was told. */
export function toldOf(usage: Usage, seq: number | null): Told {
  return { metered: 1, seqs: seq ?? 0, ...bookedOf(usage) };
}
