/** Why the ledger did not take a line, and what to do. */
import type { Result } from "../../ledger/protocol.js";
import { operationId } from "./ids.js";
import type { Kept } from "./kept.js";
import type { Planned } from "./operations.js";
import type { Problem } from "./report.js";

/** The answer that stopped it: DETAIL of LG008. */
interface Stopped {
  readonly position?: number;
  readonly status?: string;
  readonly code?: string;
  readonly result?: Result;
}

/** In words. */
export function explain(planned: Planned, detail: Readonly<Record<string, unknown>>): Problem {
  const { position = 0, status, code = "", result = {} } = detail as Stopped;
  const { number: line, run, operations } = planned;
  const step = operations[position]?.step;
  const { path, rule, shortfall = [] } = result;
  if (code === "LG005") return { line, problem: CHANGED[step ?? "opened"](run) };
  if (code === "LG011") {
    return {
      line,
      problem: `not imported: a pool or node named ${run} exists already: rename the experiment, arm or task`,
    };
  }
  if (path === "effective_at") return { line, field: "at", problem: `not imported: ${rule}` };
  if (status === "error") {
    return { line, problem: `not imported: ${[code, path, rule].filter(Boolean).join(" ")}` };
  }
  const short = shortfall.map(({ channel, requested, free }) => `${channel}: ${requested} asked, ${free} free`);
  const why = [code, ...short].join(", ");
  const next = NEXT.get(code) ?? "import the file again when its pool takes it";
  return { line, problem: `not imported: refused, ${why}; ${next}` };
}

const ELSEWHERE = "choose another --parent";

/** What to do about a refusal, by its reason. */
const NEXT: ReadonlyMap<string, string> = new Map([
  ["budget-exhausted", "import the file again when its pool has room"],
  ["pool-closed", `a closed pool takes nothing more: ${ELSEWHERE}`],
  ["pool-frozen", "agent-ledger pool thaw lets the frozen pool go on: then import the file again"],
  ["deadline-passed", `the deadline of its pool, or of one above, has passed: ${ELSEWHERE}`],
  ["depth-exceeded", `drivers may not nest deeper below its pool: ${ELSEWHERE}`],
  ["usd-sealed", "dollars nobody reported closed the channel: correct those events, then import the file again"],
]);

/** Of a line without a judgement: the one that was imported and still counts. The line cannot take it back. */
export function explainTakenBack({ number: line, run, operations }: Planned, kept: Kept): Problem | undefined {
  if (!kept.isJudgedByImport || operations.some(({ step }) => step === "judged")) return undefined;
  const judged = `resolved ${kept.resolved}${kept.infra ? ", infra true" : ""}`;
  return {
    line,
    problem: `was imported with a judgement (${judged}), which still counts: put it back, or judge it again with the operation \`judge\` (run_id: ${run})`,
  };
}

/** By the operation whose content differs. Under a parent the opening holds the figures too. */
const CHANGED = {
  opened: (run: string) =>
    `was imported otherwise (figures, at, or --parent): leave at and --parent as they were, and correct figures with the operation \`correct\` (of: ${operationId(run, "metered")})`,
  metered: (run: string) =>
    `was imported with other figures; correct it with the operation \`correct\` (of: ${operationId(run, "metered")})`,
  judged: (run: string) =>
    `was imported with another outcome; judge it again with the operation \`judge\` (run_id: ${run})`,
  closed: (run: string) => `was imported with another time: leave at as it was (run ${run})`,
};
