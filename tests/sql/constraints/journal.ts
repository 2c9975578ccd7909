/** Breaches of journal and usage_lines. Rows are inserted: an update is refused before any CHECK looks at it. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

type Changes = Readonly<Record<string, unknown>>;

/** One more turn of the run; 20 tokens in, 10 out, 0.5 dollars. */
const turn = (changes: Changes): string => copyOf("journal", "operation_id = 'turn'", { seq: 100, ...changes });
/** One more correction, whose usage is a difference and may be negative. */
const correction = (changes: Changes): string =>
  copyOf("journal", "pool_id = 'run' and corrects_seq is not null", { seq: 100, ...changes });
const line = (changes: Changes): string => copyOf("usage_lines", "line = 0", { line: 2, ...changes });

const each = (columns: readonly string[], make: (column: string) => Breach): readonly Breach[] =>
  columns.map((column) => make(column));

const USAGE = ["iterations", "input_tokens", "output_tokens", "charged_tokens", "usd", "ms"];
const PARTS = ["cache_read_tokens", "cache_write_tokens", "reasoning_tokens"];
const UNCERTAIN = ["uncertain_tokens", "uncertain_iterations", "uncertain_usd"];
const MOVES = ["tokens", "iterations", "usd"].flatMap((channel) =>
  ["funded", "held", "spent", "uncertain"].map((move) => `${channel}_${move}`),
);

const KEYS: readonly Breach[] = [
  unique("journal_pkey", "two rows of the same place", turn({ seq: 2 })),
  unique(
    "journal_terminal_once",
    "a second end of a node",
    copyOf("journal", "kind = 'settled' and node_id = 'leaf'", { seq: 100 }),
  ),
  unique(
    "journal_terminal_once",
    "another end of a node that ended",
    copyOf("journal", "kind = 'settled' and node_id = 'leaf'", { seq: 100, kind: "expired" }),
  ),
  unique("journal_closed_once", "a second closing of a pool", copyOf("journal", "kind = 'closed'", { seq: 100 })),
];

const FACTS: readonly Breach[] = [
  check("journal_seq_positive", "a row before the first", turn({ seq: 0 })),
  check("journal_kind_known", "a kind nobody knows", turn({ kind: "moved" })),
  check("journal_purpose_known", "a purpose nobody knows", turn({ purpose: "fun" })),
  check("journal_outcome_known", "an outcome nobody knows", turn({ outcome: "lost" })),
  check("journal_effective_not_later", "an event booked before it happened", turn({ effective_at: "2999-01-01" })),
  check("journal_source_whole", "half a source: its pool", turn({ source_pool_id: "top" })),
  check("journal_source_whole", "half a source: its place", turn({ source_seq: 1 })),
  check("journal_corrects_earlier", "a correction of what comes later", correction({ corrects_seq: 101 })),
  check("journal_corrects_earlier", "a turn that corrects another", turn({ corrects_seq: 2 })),
];

const NO_NUMBERS: readonly Breach[] = [
  ...each([...USAGE, ...PARTS, ...UNCERTAIN], (column) =>
    check("journal_amounts_finite", `a correction by ${column} that is no number`, correction({ [column]: "NaN" })),
  ),
  ...each([...MOVES, "usd_remainder"], (column) =>
    check("journal_amounts_finite", `a posting of ${column} that is no number`, turn({ [column]: "NaN" })),
  ),
];

/** What else sees that a usage is below zero. */
const ALSO_BELOW_ZERO: Readonly<Record<string, readonly string[]>> = {
  input_tokens: ["journal_cache_within_input"],
  output_tokens: ["journal_reasoning_within_output"],
};

const AMOUNTS: readonly Breach[] = [
  ...each([...USAGE, ...PARTS, ...UNCERTAIN], (column) =>
    check("journal_usage_not_negative", `less than no ${column}`, turn({ [column]: -1 }), {
      alsoBreaks: ALSO_BELOW_ZERO[column] ?? [],
    }),
  ),
  check("journal_cache_within_input", "more read from the cache than put in", turn({ cache_read_tokens: 21 })),
  check("journal_cache_within_input", "more written to the cache than put in", turn({ cache_write_tokens: 21 })),
  check(
    "journal_cache_within_input",
    "more read and written than put in",
    turn({ cache_read_tokens: 11, cache_write_tokens: 10 }),
  ),
  check("journal_reasoning_within_output", "more reasoning than output", turn({ reasoning_tokens: 11 })),
  ...each(UNCERTAIN, (column) =>
    check("journal_uncertain_within_usage", `more ${column} than usage`, turn({ [column]: 31 })),
  ),
];

/** What else sees that a line's amount is below zero. */
const LINES_ALSO_BELOW_ZERO: Readonly<Record<string, readonly string[]>> = {
  input_tokens: ["usage_lines_cache_within_input"],
  output_tokens: ["usage_lines_reasoning_within_output"],
  cache_write_tokens: ["usage_lines_cache_write_1h_within_cache_write"],
  usd: ["usage_lines_uncertain_within_usd"],
};

const LINES: readonly Breach[] = [
  unique("usage_lines_pkey", "two lines of the same place", line({ line: 1 })),
  foreignKey("usage_lines_event_fkey", "a line of no event", line({ seq: 100 })),
  check("usage_lines_line_not_negative", "a line before the first", line({ line: -1 })),
  ...each([...USAGE, ...PARTS, "uncertain_usd"], (column) =>
    check("usage_lines_not_negative", `a line of less than no ${column}`, line({ [column]: -1 }), {
      alsoBreaks: LINES_ALSO_BELOW_ZERO[column] ?? [],
    }),
  ),
  ...each([...USAGE, ...PARTS, "uncertain_usd"], (column) =>
    check(
      "usage_lines_amounts_finite",
      `a line of a correction by ${column} that is no number`,
      line({ correction: true, [column]: "NaN" }),
    ),
  ),
  check("usage_lines_uncertain_within_usd", "a line more uncertain than dear", line({ uncertain_usd: 1 })),
  check(
    "usage_lines_uncertain_within_usd",
    "a line uncertain of nothing charged",
    line({ usd: null, uncertain_usd: 1 }),
  ),
  ...each(["cache_read_tokens", "cache_write_tokens"], (column) =>
    check("usage_lines_cache_within_input", `a line with more ${column} than input`, line({ [column]: 31 })),
  ),
  check("usage_lines_reasoning_within_output", "a line with more reasoning than output", line({ reasoning_tokens: 6 })),
];

/** Cache writes for an hour have one rule of their own: part of the cache writes, and a number. */
const HOUR: readonly Breach[] = [
  ...each(["21", "-1", "NaN"], (value) =>
    check(
      "journal_cache_write_1h_within_cache_write",
      `${value} written for an hour, of 20`,
      turn({ cache_write_tokens: 20, cache_write_1h_tokens: value }),
    ),
  ),
  check(
    "journal_cache_write_1h_within_cache_write",
    "some written for an hour of nothing written",
    turn({ cache_write_1h_tokens: 1 }),
  ),
  check(
    "journal_cache_write_1h_within_cache_write",
    "a correction by what is no number",
    correction({ cache_write_1h_tokens: "NaN" }),
  ),
  ...each(["21", "-1", "NaN"], (value) =>
    check(
      "usage_lines_cache_write_1h_within_cache_write",
      `a line with ${value} written for an hour, of 20`,
      line({ cache_write_tokens: 20, cache_write_1h_tokens: value }),
    ),
  ),
  check(
    "usage_lines_cache_write_1h_within_cache_write",
    "a line of a correction by what is no number",
    line({ correction: true, cache_write_1h_tokens: "NaN" }),
  ),
];

export const JOURNAL_BREACHES: readonly Breach[] = [...KEYS, ...FACTS, ...NO_NUMBERS, ...AMOUNTS, ...LINES, ...HOUR];
