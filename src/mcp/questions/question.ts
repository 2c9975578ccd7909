/** What a question of the audit is: one query over the views, bounded. */
import type { View } from "../bounds.js";

/** What a question may be about. */
export interface Asked {
  readonly pool?: string | undefined;
  readonly run?: string | undefined;
  readonly experiment?: string | undefined;
}

/** A question by its name. */
export interface Question {
  /** What it answers, in a line. */
  readonly asks: string;
  /** The arguments it can do without and make use of. */
  readonly takes: readonly (keyof Asked)[];
  /** What it is told of: `tenant` is no question to a server that is bound, `runs` none to one that is bound to a part of a run. */
  readonly of: "pools" | "runs" | "experiments" | "tenant";
  /** `limit` rows at most. What is asked about is there, and shown. */
  rows(view: View, asked: Asked, limit: number): Promise<readonly object[]>;
}

/** The questions by their names. */
export type Questions = Readonly<Record<string, Question>>;
