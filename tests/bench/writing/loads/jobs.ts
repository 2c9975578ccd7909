/** What the benchmark and its load processes say to each other. */
import type { Turn } from "./load.js";

/** What callers do; each is a module of `works/`. */
export type WorkName =
  | "apply"
  | "bare-update"
  | "bulk-insert"
  | "naive-meter"
  | "naive-pair"
  | "observe"
  | "pair"
  | "pgledger"
  | "simple-update"
  | "submit";

/** A load process's job. */
export interface Job {
  readonly work: WorkName;
  /** The database. */
  readonly url: string;
  /** Connections to it, at most. */
  readonly connections: number;
  /** Callers at once: each asks again as soon as it has its answer. */
  readonly callers: number;
  /** A caller's calls begin at least so far apart. */
  readonly everyMs?: number;
  /** The ledger's tenant, and the pools that calls go to at random. */
  readonly tenant?: string;
  readonly pools?: readonly string[];
  /** Operations per call. */
  readonly batch?: number;
  /** Tells the ids of several processes and cases apart. */
  readonly prefix: string;
  /** Other parameters of the work. */
  readonly parameters?: readonly string[];
}

/** What a load process is asked to do. */
export type Order = { readonly open: Job } | { readonly ms: number; readonly phase: string | undefined };

/** What it answers. */
export type Reply = { readonly ready: true } | { readonly turn: Turn } | { readonly failure: string };
