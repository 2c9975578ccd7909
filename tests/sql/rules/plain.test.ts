/**
 * What passes for plain is never malformed: operations are spoiled at random, and nothing that misfit_of_operation rejects is plain. What
 * is common is plain.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Operation } from "../books.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const digest = `sha256:${"0a".repeat(32)}`;
const called = { provider: "acme", model: "large", provider_request_id: "r/1", purpose: "turn" };
const said = {
  effective_at: "2024-05-06T07:08:09.123456Z",
  tags: { team: "search" },
  tool_calls: ["a"],
  detail: { n: 1 },
};
const spend = {
  iterations: 1,
  input_tokens: 30,
  output_tokens: 10,
  cache_read_tokens: 5,
  cache_write_tokens: 2,
  cache_write_1h_tokens: 1,
  reasoning_tokens: 3,
  usd: "0.25",
  usd_known: true,
  tokens_known: true,
  ms: 12,
};
const results = [{ id: "1", status: "error" }];
const budget = { tokens: 20, iterations: 2, usd: "0.5" };
const ended = { verdict: { ok: 1 }, out_ref: "o", reason: "r", infra: false };

/** One of each kind, with everything that may stand in it. */
const PLAIN: readonly Operation[] = [
  { op: "meter", operation_id: "m", pool_id: "p", spend, turn: 2, tool_results: results, ...called, ...said },
  {
    op: "meter",
    operation_id: "m",
    pool_id: "p",
    spend: { iterations: 0, input_tokens: 0, output_tokens: 0, usd_known: false },
  },
  {
    ...{
      op: "spawn",
      operation_id: "s",
      pool_id: "p",
      node_id: "n",
      label: "l",
      runtime: "r",
      task_ref: digest,
      lease_ms: 1,
      budget,
    },
    ...{ effective_at: said.effective_at, tags: said.tags },
  },
  {
    op: "settle",
    operation_id: "e",
    node_id: "n",
    outcome: "down",
    spend,
    tool_results: results,
    ...ended,
    ...called,
    ...said,
  },
  { op: "cancel", operation_id: "c", node_id: "n", reason: "r", spend, tool_results: results, ...called, ...said },
  { op: "cancel", operation_id: "c", node_id: "n", reason: "r" },
  { op: "dispatch", operation_id: "d", node_id: "n", effective_at: said.effective_at, tags: said.tags },
];

/** Those that say no more than most do. */
const COMMON: readonly Operation[] = [
  {
    op: "meter",
    operation_id: "m",
    pool_id: "p",
    spend: { iterations: 0, input_tokens: 3, output_tokens: 1, usd: "1" },
  },
  {
    ...{
      op: "meter",
      operation_id: "m",
      pool_id: "p",
      turn: 0,
      tags: { team: "a", step: "" },
      ...called,
    },
    spend: {
      ...{ iterations: 1, input_tokens: 30, output_tokens: 10, cache_read_tokens: 5, cache_write_tokens: 2 },
      ...{ reasoning_tokens: 3, usd: "0.25", ms: 12 },
    },
  },
  {
    ...{ op: "settle", operation_id: "e", node_id: "n", outcome: "down", out_ref: "o", tags: { a: "b" }, ...called },
    spend: { iterations: 1, input_tokens: 3, output_tokens: 1, usd: "0.000000000001" },
  },
  { op: "spawn", operation_id: "s", pool_id: "p", node_id: "n", label: "l", runtime: "r", lease_ms: 1, budget },
  { op: "spawn", operation_id: "s", pool_id: "p", label: "l", budget: {} },
  { op: "spawn", operation_id: "s", pool_id: "p", label: "l", budget: { usd: "1" } },
];

/** What no key takes, or only some do. */
const ODD: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    "",
    "x",
    " ",
    "true",
    "0",
    "1",
    "-1",
    "1.5",
    "1e3",
    "0.0000000000001",
    "999999999999999.5",
    "1000000000000000",
    "NaN",
  ],
  ...[
    "Infinity",
    "line\nbreak",
    "tab\there",
    "\u007f",
    "\u0085",
    "x".repeat(201),
    "0".repeat(31),
    "done",
    "turn",
    digest,
    `${digest}0`,
  ],
  ...[
    "2024-02-30T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-05-06T24:00:00Z",
    "2024-05-06T07:08:09",
    "2999-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
  ],
  ...[0, 1, -1, 0.5, 1.0, 1e3, 1e15, 2147483648, 9007199254740991, 9007199254740992, 1e-13, 1e300, 315360000001],
  ...[
    [],
    ["a"],
    [1],
    [[]],
    {},
    { a: 1 },
    { a: "b" },
    { price_book: 1 },
    { tool_results: [] },
    [{ name: "a" }],
    [{ id: "1" }],
    [null],
  ],
  ...[
    { tokens: 1 },
    { gpu: 1 },
    spend,
    [spend],
    { "": "v" },
    { k: "v".repeat(257) },
    Object.fromEntries([...Array(17).keys()].map((n) => [n, "v"])),
  ],
];

type Draft = Record<string, unknown>;

/** One change to a draft or to an object in it: a value replaced, a key left out, or one added. */
const spoilt: fc.Arbitrary<Draft> = fc
  .record({
    draft: fc.constantFrom(...PLAIN, ...COMMON),
    changes: fc.array(
      fc.record({ inside: fc.boolean(), key: fc.nat(30), value: fc.constantFrom(...ODD), how: fc.nat(9) }),
      {
        minLength: 1,
        maxLength: 2,
      },
    ),
  })
  .map(({ draft, changes }) => changes.reduce<Draft>((changed, change) => spoil(changed, change), { ...draft }));

function spoil(
  draft: Draft,
  { inside, key, value, how }: { inside: boolean; key: number; value: unknown; how: number },
): Draft {
  const part = inside ? ["spend", "budget", "tags"].find((name) => isObject(draft[name])) : undefined;
  if (part !== undefined) return { ...draft, [part]: spoil(draft[part] as Draft, { inside: false, key, value, how }) };
  const keys = Object.keys(draft);
  const name = keys[key % keys.length] ?? "op";
  if (how === 0) return { ...draft, surprise: value };
  if (how === 1) return Object.fromEntries(Object.entries(draft).filter(([other]) => other !== name));
  return { ...draft, [name]: value };
}

/** A draft with each of its values, and those of its spend or budget, replaced by each odd one. */
function replaced(draft: Draft): Draft[] {
  return Object.entries(draft).flatMap(([name, value]) => [
    ...ODD.map((odd) => ({ ...draft, [name]: odd })),
    ...(isObject(value) ? replaced(value).map((part) => ({ ...draft, [name]: part })) : []),
  ]);
}

function isObject(value: unknown): value is Draft {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const JUDGED = `
  select r.n, r.operation, ledger_private.misfit_of_operation(r.operation, now()) as misfit, r.plain and coalesce(f.fits, false) as plain, r.plain as form,
    coalesce(case r.op
      when 'meter' then ledger_private.common_meter(r.operation)
      when 'settle' then ledger_private.common_settle(r.operation)
      when 'spawn' then ledger_private.common_spawn(r.operation)
    end and (not r.operation ? 'tags' or ledger_private.common_tags(r.operation -> 'tags')), false) as common
  from ledger_private.read_operations($1::jsonb[], $1::jsonb[]) r
  cross join lateral (
    select (r.effective_at <= now()) is not false and (r.op in ('spawn', 'dispatch') or ledger_private.plain_amounts(
      r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens
    )) as fits
  ) f
  order by r.n`;

/** The same of the form that a fold by one statement takes, which is narrower. */
const FOLDED = `
  select r.n, r.operation, ledger_private.misfit_of_operation(r.operation, now()) as misfit, r.plain and coalesce(f.fits, true) as plain
  from ledger_private.read_plainly(to_jsonb($1::jsonb[])) r
  cross join lateral (select case when r.plain then (r.operation ->> 'effective_at')::timestamptz <= now() end as fits) f
  order by r.n`;

async function judged(operations: readonly unknown[], judgement = JUDGED) {
  const { rows } = await ledger.client.query(judgement, [operations.map((operation) => JSON.stringify(operation))]);
  return rows as { operation: unknown; misfit: unknown; plain: boolean; form: boolean; common: boolean }[];
}

describe("a plain operation", () => {
  it("may say everything that is common", async () => {
    const rows = await judged(PLAIN);
    expect(rows.map(({ misfit, plain }) => ({ misfit, plain }))).toEqual(
      PLAIN.map(() => ({ misfit: null, plain: true })),
    );
  });

  it("is what most are, told by less", async () => {
    const rows = await judged(COMMON);
    expect(rows.map(({ misfit, plain, common }) => ({ misfit, plain, common }))).toEqual(
      COMMON.map(() => ({ misfit: null, plain: true, common: true })),
    );
  });

  it("is never malformed", async () => {
    const operations = [...ODD, ...COMMON.flatMap(replaced), ...fc.sample(spoilt, 2000)];
    const rows = await judged(operations);
    expect(rows.filter(({ misfit, plain }) => misfit !== null && plain)).toEqual([]);
    expect(rows.filter(({ form, common }) => common && !form)).toEqual([]);
    expect(rows.filter(({ plain }) => plain).length, "some remain plain").toBeGreaterThan(50);
    expect(rows.filter(({ common }) => common).length, "some remain common").toBeGreaterThan(50);
    const folded = await judged(operations.filter(isObject), FOLDED);
    expect(folded.filter(({ misfit, plain }) => misfit !== null && plain)).toEqual([]);
    expect(folded.filter(({ plain }) => plain).length, "some remain common").toBeGreaterThan(50);
  });

  it("is told alike where the caller reads backslashes otherwise", async () => {
    const odd = COMMON.map((operation) => ({ ...operation, operation_id: "\u001b[2J" }));
    await ledger.client.query("set standard_conforming_strings = off");
    const [some, folded, alone] = [await judged(COMMON, FOLDED), await judged(odd, FOLDED), await judged(odd)];
    await ledger.client.query("reset standard_conforming_strings");
    expect(some.filter(({ plain }) => plain).length).toBeGreaterThan(0);
    expect([...folded, ...alone].filter(({ plain, common }) => plain || common)).toEqual([]);
  });
});
