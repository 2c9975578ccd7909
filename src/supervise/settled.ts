/** What comes back from a spawn, at once and in the end. */
import type { Refusal } from "../ledger/budget-pool.js";
import type { Verdict } from "./executor.js";

/** A child of a scope. Plain data: it can be kept, sent and asked about after a restart. */
export interface Handle {
  readonly nodeId: string;
  readonly label: string;
  readonly key: string | undefined;
  /** Whether it drives others; its pool has the same id. */
  readonly driver: boolean;
}

/** What a node booked, in the columns of the views. Counts beyond 2^53 - 1 and dollars are exact text. */
export interface Spent {
  readonly iterations: number | string;
  readonly input_tokens: number | string;
  readonly output_tokens: number | string;
  readonly cache_read_tokens: number | string;
  readonly cache_write_tokens: number | string;
  readonly reasoning_tokens: number | string;
  /** What was charged to the tokens channel. */
  readonly charged_tokens: number | string;
  /** Null where nobody knows. */
  readonly usd: string | null;
  readonly ms: number | string;
  /** False where a part is unknown; what is there is what was reported. */
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  /** By name; `known: false` where a part is a ceiling charged for silence. Null where there is none. */
  readonly resources: Readonly<Record<string, { readonly amount: string; readonly known?: false }>> | null;
}

/** A child that finished its work. */
export interface Done {
  readonly kind: "done";
  readonly handle: Handle;
  readonly out: unknown;
  /** Null where it left no artifact. */
  readonly outRef: string | null;
  readonly verdict: Verdict | undefined;
  readonly spent: Spent;
  /** Place in the order of delivery, from 0. */
  readonly seq: number;
}

/** A child that did not. */
export interface Down {
  readonly kind: "down";
  readonly handle: Handle;
  readonly reason: string;
  /** A failure of the infrastructure, not of the work: left out of sample sizes and of gates. */
  readonly infra: boolean;
  /** What it consumed all the same. */
  readonly spent: Spent;
  readonly seq: number;
}

/** What `next` answers. */
export type Settled = Done | Down;

/** What `next` answers where its time ran out while children were still at work. */
export interface Pending {
  readonly kind: "pending";
  /** Children that have not ended. */
  readonly live: number;
}

/** Refusals of the runtime, before the ledger is asked; its own come as they are (`budget-exhausted`, `usd-sealed` …). */
export type ScopeRefusal = "scope-aborted" | "key-conflict" | "duplicate-key" | "depth-exceeded" | "max-live-workers";

/** A child, or why not. `settled` is there where the key's work is done already: nothing was reserved, nothing runs. */
export type Spawned = { readonly ok: true; readonly handle: Handle; readonly settled?: Omit<Done, "seq"> } | Refusal;
