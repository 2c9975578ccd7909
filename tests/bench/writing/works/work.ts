/** What the callers of a load process do. */
import type { Job } from "../loads/jobs.js";
import type { Told } from "../loads/load.js";

/** What a call came to. */
export interface Called {
  /** Operations, or pairs of them: what the rate counts. */
  readonly done: number;
  readonly told: Told;
}

/** A work that is open. */
export interface Work {
  /** One call of one caller, to its answer; null where nothing is left to do. */
  call(caller: number, phase: string | undefined): Promise<Called | null>;
  /** So far: transactions that committed, and attempts that were repeated. */
  counts(): { readonly transactions: number; readonly retries: number };
  close(): Promise<void>;
}

/** Opens a work. */
export type OpenWork = (job: Job) => Promise<Work>;
