/** The operations of one line: a pool that is a run, its spend, its judgement, its end. */
import type { Operation } from "../../ledger/protocol.js";
import { operationId, runId, type Step } from "./ids.js";
import type { Parent } from "./parent.js";
import type { ReadLine } from "./read.js";
import type { Line } from "./shapes.js";

/** A line with what it asks of the ledger. */
export interface Planned extends ReadLine {
  readonly run: string;
  readonly operations: readonly (Operation & { readonly step: Step })[];
}

/** Plans a line. Under a parent the run reserves what it spent, on the channels that the parent caps. */
export function planLine(read: ReadLine, parent?: Parent): Planned {
  const { line } = read;
  const run = runId(line);
  const steps = [open(line, run, parent), meter(line, run), ...judge(line, run), close(run)];
  const at = line.at === undefined ? {} : { effective_at: line.at };
  const operations = steps.map(({ step, ...operation }) => ({
    ...operation,
    ...at,
    step,
    operation_id: operationId(run, step),
  }));
  return { ...read, run, operations };
}

/** What is sent of it: a step is our own word. */
export function sent({ step: _, ...operation }: Operation & { readonly step: Step }): Operation {
  return operation;
}

type Unnamed = { readonly step: Step; readonly op: string } & Readonly<Record<string, unknown>>;

function open({ experiment, arm, task, replicate, ...line }: Line, run: string, parent?: Parent): Unnamed {
  return {
    step: "opened",
    op: "open_pool",
    pool_id: run,
    channels: parent === undefined ? {} : totals(line, parent),
    ...(parent && { parent_pool_id: parent.poolId }),
    run: { label: task, experiment, arm, task, ...(replicate !== undefined && { replicate }) },
  };
}

/** Dollars nobody knows cannot be reserved: the parent's rule for unknown dollars says what becomes of its room. */
function totals(line: Pick<Line, "input_tokens" | "output_tokens" | "usd">, { capped }: Parent): object {
  return {
    ...(capped.has("tokens") && { tokens: { total: line.input_tokens + line.output_tokens } }),
    ...(capped.has("iterations") && { iterations: { total: 0 } }),
    ...(capped.has("usd") && line.usd !== undefined && { usd: { total: line.usd } }),
  };
}

function meter({ input_tokens, output_tokens, usd, provider, model }: Line, run: string): Unnamed {
  const dollars = usd === undefined ? { usd_known: false } : { usd };
  return {
    step: "metered",
    op: "meter",
    pool_id: run,
    ...(provider !== undefined && { provider }),
    ...(model !== undefined && { model }),
    spend: { iterations: 0, input_tokens, output_tokens, ...dollars },
  };
}

/** A run that broke was not resolved; that one did not break says nothing of its outcome. */
function judge({ resolved, infra }: Line, run: string): Unnamed[] {
  if (resolved === undefined && infra !== true) return [];
  const judged = { resolved: resolved ?? false, ...(infra !== undefined && { infra }) };
  return [{ step: "judged", op: "judge", run_id: run, ...judged }];
}

function close(run: string): Unnamed {
  return { step: "closed", op: "close_pool", pool_id: run };
}
