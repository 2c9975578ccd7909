/** Which JSON values are of which kind. */
import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const SAFE = "9007199254740991";
const DIGEST = `sha256:${"0a".repeat(32)}`;
const x = (length: number): string => JSON.stringify("x".repeat(length));

/** Kind, what fits it, and what does not; as JSON text, so that numbers stay as they are written. */
const KINDS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  [
    "id",
    ['"a"', '" "', '"é/\'\\"東"', x(200)],
    ['""', x(201), '"a\\nb"', '"\\u0001"', '"\\u007f"', "5", "null", "{}", "true"],
  ],
  ["text", ['""', '"a\\nb"', x(10_000)], [x(10_001), "5", "null", "[]"]],
  [
    "count",
    ["0", "1", "1.0", "1e3", SAFE, `"${SAFE}"`, '"007"', '"1.00"', "-0"],
    [
      "-1",
      "1.5",
      '"1.5"',
      "9007199254740992",
      "1e16",
      '""',
      '"1e3"',
      '"+1"',
      '" 1"',
      '"0x1"',
      '"NaN"',
      '"Infinity"',
      "null",
      "true",
      "[]",
    ],
  ],
  ["whole", ["0", `-${SAFE}`, '"-5"', SAFE], ["-9007199254740992", "0.5", '"--1"', '"-"', "null"]],
  [
    "money",
    [
      "0",
      "0.5",
      '"0.000000000001"',
      "0.000000000001",
      "1e-12",
      '"999999999999999.999999999999"',
      '"0.1000000000000000"',
      '"0.00"',
    ],
    [
      "-0.1",
      '"-1"',
      "1e-13",
      '"0.0000000000001"',
      "1e15",
      '"1000000000000000"',
      '".5"',
      '"5."',
      '"1,5"',
      '"$1"',
      "null",
      "true",
      '""',
      '"NaN"',
    ],
  ],
  [
    "change",
    ["-0.000000000001", '"-5"', "999999999999999.999999999999", '"-999999999999999"'],
    ["1e15", '"-1000000000000000"', "1e-13", "null", '"-Infinity"'],
  ],
  ["duration_ms", ["1", "1.0", "315360000000"], ["0", "0.5", "-1", "315360000001", '"5"', "null", "1e300"]],
  ["small", ["0", "2147483647"], ["-1", "2147483648", "0.5", '"1"', "null"]],
  ["flag", ["true", "false"], ["0", '"true"', "null"]],
  ["score", ["0", "-0.123456789012345", "999999999999999", "1e-200"], ["1e15", "-1e15", '"0.5"', "null"]],
  ["json", ["0", "{}", "[]", '""', "false", '"null"'], ["null", x(100_001)]],
  [
    "tool_calls",
    [
      "[]",
      '["a", ""]',
      `[${x(200)}]`,
      '[{"name": "a"}, "b"]',
      `[{"name": "a", "id": "1", "arguments": "${DIGEST}", "status": "ok"}, {"name": "a", "id": "1", "status": "error"}]`,
      `[{"name": ${x(200)}, "id": ${x(200)}}]`,
    ],
    [
      ...['"a"', "[1]", '["a", null]', "{}", "null", `[${x(201)}]`, "[[]]", '["a", []]', "[{}]", '{"name": "a"}'],
      ...['[{"name": ""}]', '[{"name": 1}]', '[{"name": null}]', '[{"name": "a\\n"}]', `[{"name": ${x(201)}}]`],
      ...['[{"id": "1"}]', '[{"name": "a", "id": ""}]', '[{"name": "a", "id": 1}]', '[{"name": "a", "id": null}]'],
      ...[`[{"name": "a", "id": ${x(201)}}]`, '[{"name": "a", "status": "failed"}]', '[{"name": "a", "status": null}]'],
      ...['[{"name": "a", "arguments": {}}]', '[{"name": "a", "arguments": "sha256:abc"}]'],
      ...[`[{"name": "a", "arguments": "${DIGEST.toUpperCase()}"}]`, '[{"name": "a", "arguments": null}]'],
      ...['[{"name": "a", "input": "secret"}]', '[{"name": "a", "!": 1}]'],
    ],
  ],
  [
    "tool_results",
    ["[]", '[{"id": "1", "status": "ok"}, {"id": "1", "status": "error"}]', `[{"id": ${x(200)}, "status": "ok"}]`],
    [
      ...['{"id": "1", "status": "ok"}', '["1"]', "[null]", "null", "[{}]", '[{"id": "1"}]', '[{"status": "ok"}]'],
      ...['[{"id": "", "status": "ok"}]', '[{"id": 1, "status": "ok"}]', `[{"id": ${x(201)}, "status": "ok"}]`],
      ...['[{"id": "1", "status": "done"}]', '[{"id": "1", "status": null}]', '[{"id": "1", "status": true}]'],
      '[{"id": "1", "status": "ok", "result": "secret"}]',
    ],
  ],
  ["tool_status", ['"ok"', '"error"'], ['""', '"OK"', '"failed"', "true", "null", "[]"]],
  [
    "tags",
    ["{}", '{"k": ""}', `{"k": ${x(256)}}`, `{${x(64)}: "v"}`],
    [`{"k": ${x(257)}}`, `{${x(65)}: "v"}`, '{"": "v"}', '{"k": 1}', '{"k": null}', "[]", '"k"', "null"],
  ],
  [
    "instant",
    [
      '"2024-02-29T12:00:00Z"',
      '"2024-01-01 00:00+02"',
      '"2024-01-01T00:00:00.123456-0330"',
      '"2024-01-01T00:00:00.1+05:45"',
    ],
    [
      '"2023-02-29T12:00:00Z"',
      '"2024-01-01T00:00:00"',
      '"2024-13-01T00:00:00Z"',
      '"2024-01-01T25:00:00Z"',
      '"2024-01-01T00:00:00+99"',
      '"2024-01-01T00:00:00+15:99"',
      '"0000-01-01T00:00:00Z"',
      '"now"',
      '"infinity"',
      '"epoch"',
      '"2024-01-01"',
      "0",
      "null",
      '""',
      '" 2024-01-01T00:00Z"',
    ],
  ],
  ["outcome", ['"done"', '"down"'], ['"cancelled"', '"Done"', "null", "1"]],
  ["purpose", ['"turn"', '"compaction"', '"failed"', '"tool"'], ['"fun"', '""', "null"]],
  [
    "digest",
    [`"sha256:${"0a".repeat(32)}"`],
    [
      `"sha256:${"0A".repeat(32)}"`,
      `"sha256:${"0".repeat(63)}"`,
      `"sha256:${"0".repeat(64)}\\n"`,
      '"task"',
      '""',
      "null",
      "5",
    ],
  ],
  ["unknown_usd", ['"seal"', '"flag"'], ['"ignore"', "null"]],
  ["token_charge", ['"total"', '"uncached"'], ['"cached"', "null"]],
  ["replicate", ['"one"', "1", "0", '"1"'], ["-1", "1.5", '""', "null", "[]"]],
  ["lines", ["[1]", "[{}, {}]"], ["[]", "{}", "null", '"x"']],
  ["no such kind", [], ['"x"', "1", "null"]],
];

const CASES = KINDS.flatMap(([kind, fitting, others]) => [
  ...fitting.map((value) => ({ kind, value, fits: true })),
  ...others.map((value) => ({ kind, value, fits: false })),
]);

const brief = (value: string): string => (value.length > 50 ? `${value.slice(0, 20)}… (${value.length})` : value);

describe("a value of a kind", () => {
  it.each(CASES.map((one) => ({ ...one, shown: brief(one.value) })))(
    "$kind $shown: $fits",
    async ({ kind, value, fits }) => {
      const { rows } = await ledger.client.query("select ledger_private.fits($1, $2::jsonb) as fits", [kind, value]);
      expect(rows).toEqual([{ fits }]);
    },
  );

  it.each([
    [
      "tags",
      16,
      17,
      (n: number) => JSON.stringify(Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, "v"]))),
    ],
    ["tool_calls", 1000, 1001, (n: number) => JSON.stringify(Array.from({ length: n }, () => "n"))],
    [
      "tool_results",
      1000,
      1001,
      (n: number) => JSON.stringify(Array.from({ length: n }, () => ({ id: "1", status: "ok" }))),
    ],
    ["lines", 1000, 1001, (n: number) => JSON.stringify(Array.from({ length: n }, () => ({})))],
  ])("%s counts up to %i", async (kind, most, tooMany, make) => {
    const fits = async (value: string) =>
      (await ledger.client.query("select ledger_private.fits($1, $2::jsonb) as fits", [kind, value])).rows[0].fits;
    expect(await fits(make(most))).toBe(true);
    expect(await fits(make(tooMany))).toBe(false);
  });

  it("has a rule in words for every kind", async () => {
    for (const [kind] of KINDS.slice(0, -1)) {
      const { rows } = await ledger.client.query("select ledger_private.rule_text($1) as rule", [kind]);
      expect(rows[0].rule, kind).toMatch(/^must be /);
    }
  });
});
