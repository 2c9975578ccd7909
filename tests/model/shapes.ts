/**
 * The keys of each operation: which there are, which must be there, and what each must look like.
 */
import { require } from "./faults.js";
import { readLines, readSpend } from "./spends.js";
import {
  amountOf,
  amounts,
  count,
  flag,
  identifier,
  type Json,
  milliseconds,
  record,
  signedAmountOf,
  text,
} from "./values.js";

type Reader = (value: unknown) => unknown;

/** A key ending in `!` must be there. */
type Shape = Readonly<Record<string, Reader>>;

const MOST_TAGS = 16;

const oneOf =
  (...words: string[]): Reader =>
  (value) =>
    require(words.includes(text(value)), "LG001");

const listOf =
  (read: Reader): Reader =>
  (value) => {
    require(Array.isArray(value), "LG001");
    value.forEach(read);
  };

const shaped =
  (shape: Shape): Reader =>
  (value) =>
    checkShape(record(value), shape);

const positive: Reader = (value) => require(milliseconds(value) > 0, "LG001");

const PURPOSE = oneOf("turn", "compaction", "failed", "tool");

const digest: Reader = (value) => require(/^sha256:[0-9a-f]{64}$/.test(text(value)), "LG001");

const PROVENANCE: Shape = {
  provider: text,
  model: text,
  provider_request_id: text,
  purpose: PURPOSE,
  lines: listOf(record),
};

const STATUS = oneOf("ok", "error");

/** A tool by its name, or by what is known of the call. */
const tool: Reader = (value) =>
  typeof value === "string"
    ? text(value)
    : checkShape(record(value), { "name!": identifier, id: identifier, arguments: digest, status: STATUS });

const TOLD: Shape = {
  tool_calls: listOf(tool),
  tool_results: listOf(shaped({ "id!": identifier, "status!": STATUS })),
  detail: () => {},
};

const RUN: Shape = { "label!": text, experiment: text, arm: text, task: text, replicate: () => {} };

const SHAPES: Readonly<Record<string, Shape>> = {
  open_pool: {
    "pool_id!": identifier,
    "channels!": readChannels,
    deadline_ms: positive,
    max_depth: count,
    unknown_usd: oneOf("seal", "flag"),
    token_charge: oneOf("total", "uncached"),
    parent_pool_id: identifier,
    run: shaped(RUN),
  },
  fund: { "pool_id!": identifier, "amounts!": (value) => amounts(value, signedAmountOf) },
  spawn: {
    "pool_id!": identifier,
    node_id: identifier,
    "label!": text,
    runtime: text,
    "budget!": (value) => amounts(value),
    key: identifier,
    task_ref: digest,
    lease_ms: positive,
    driver: flag,
  },
  dispatch: { "node_id!": identifier },
  /** A `dispatch` that names a pool. */
  call: {
    "pool_id!": identifier,
    "meter_id!": identifier,
    turn: count,
    provider: text,
    model: text,
    purpose: PURPOSE,
    detail: () => {},
  },
  extend: { "node_id!": identifier, "lease_ms!": positive },
  settle: {
    "node_id!": identifier,
    "outcome!": oneOf("done", "down"),
    spend: readSpend,
    verdict: () => {},
    out_ref: text,
    reason: text,
    infra: flag,
    ...PROVENANCE,
    ...TOLD,
  },
  cancel: { "node_id!": identifier, "reason!": text, spend: readSpend, ...PROVENANCE, ...TOLD },
  meter: {
    "pool_id!": identifier,
    "spend!": readSpend,
    turn: count,
    ...PROVENANCE,
    ...TOLD,
  },
  deliver: { "pool_id!": identifier },
  correct: {
    "of!": identifier,
    pool_id: identifier,
    "spend!": readSpend,
    "reason!": text,
    tool_calls: listOf(tool),
    lines: listOf(record),
  },
  expire: { pool_id: identifier },
  freeze: { "pool_id!": identifier, reason: text },
  thaw: { "pool_id!": identifier, reason: text },
  close_pool: { "pool_id!": identifier },
  judge: { "run_id!": identifier, "resolved!": flag, score: () => {}, infra: flag },
};

/** Raises LG001 unless the operation is well formed, whatever the ledger holds. */
export function checkOperation(operation: Json, at: number): void {
  const { op, pool_id, meter_id, operation_id } = operation;
  require(op !== "call" && (meter_id === undefined || meter_id !== operation_id), "LG001");
  const shape = SHAPES[op === "dispatch" && pool_id !== undefined ? "call" : text(op)];
  require(shape !== undefined, "LG001");
  checkShape(operation, {
    "op!": text,
    "operation_id!": identifier,
    effective_at: (value) => require(Date.parse(text(value)) <= at, "LG001"),
    tags: readTags,
    ...shape,
  });
  if (operation.lines !== undefined) readLines(operation.lines, operation.spend);
}

function checkShape(object: Json, shape: Shape): void {
  const known = new Map(Object.entries(shape).map(([key, read]) => [key.replace("!", ""), read]));
  for (const [key, value] of Object.entries(object)) {
    const read = known.get(key);
    require(read !== undefined, "LG001");
    read(value);
  }
  for (const key of Object.keys(shape)) {
    require(!key.endsWith("!") || object[key.slice(0, -1)] !== undefined, "LG001");
  }
}

function readChannels(value: unknown): void {
  for (const [channel, asked] of Object.entries(record(value))) {
    identifier(channel);
    checkShape(record(asked), { total: (total) => amountOf(channel, total), unit: text });
  }
}

function readTags(value: unknown): void {
  const pairs = Object.entries(record(value));
  require(pairs.length <= MOST_TAGS, "LG001");
  for (const [key, tag] of pairs) require(key.length <= 64 && text(tag).length <= 256, "LG001");
}
