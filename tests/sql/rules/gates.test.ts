/** The arithmetic of gates: median, fraction, sign test, and the order of reasons. */
import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";
import { computed } from "./evaluate.js";

const ledger = useLedger();

describe("median_of", () => {
  it.each([
    ["{5}", "5"],
    ["{1,2}", "1.5"],
    ["{1,2,30}", "2"],
    ["{0,1,4,100}", "2.5"],
    // More digits than a division keeps.
    ["{123456789012345.000000000001,123456789012345.000000000002}", "123456789012345.0000000000015"],
    ["{}", null],
  ])("of %s is %s", async (sorted, median) => {
    expect(await computed(ledger, "l.median_of($1::numeric[])", sorted)).toBe(median);
  });
});

describe("fraction_of", () => {
  it.each([
    ["3", "101.5", "0.029556650246"],
    ["2", "3", "0.666666666667"],
    ["0.0000000000005", "1", "0.000000000001"],
    ["0.00000000000049999999999999999999", "1", "0"],
    ["1000000000", "0.000000000003", "333333333333333333333.333333333333"],
    ["5", "0", null],
    ["0", "7", "0"],
  ])("%s of %s is %s", async (part, whole, fraction) => {
    expect(await computed(ledger, "l.fraction_of($1::numeric, $2::numeric)", part, whole)).toBe(fraction);
  });
});

/** The same test in whole numbers of another language: rounded half up to 12 decimals. */
function signTest(one: number, other: number): string {
  const n = one + other;
  let [ways, tail] = [1n, 1n];
  for (let i = 1; i <= Math.min(one, other); i++) {
    ways = (ways * BigInt(n - i + 1)) / BigInt(i);
    tail += ways;
  }
  const all = 2n ** BigInt(n);
  const part = 2n * tail > all ? all : 2n * tail;
  const rounded = (2n * part * 10n ** 12n + all) / (2n * all);
  const digits = rounded.toString().padStart(13, "0");
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, "");
}

describe("sign_test", () => {
  it.each([
    [0, 0, "1"],
    [1, 0, "1"],
    [5, 0, "0.0625"],
    [0, 6, "0.03125"],
    [8, 1, "0.0390625"],
    [9, 3, "0.14599609375"],
    [5, 5, "1"],
    [6, 5, "1"],
    [15, 5, "0.041389465332"],
  ])("%i against %i is %s", async (one, other, p) => {
    expect(await computed(ledger, "l.sign_test($1::bigint, $2::bigint)", one, other)).toBe(p);
  });

  it.each([
    [2430, 2570],
    [2500, 2500],
    [0, 5000],
    [1111, 1313],
  ])("%i against %i is what whole numbers elsewhere give", async (one, other) => {
    expect(await computed(ledger, "l.sign_test($1::bigint, $2::bigint)", one, other)).toBe(signTest(one, other));
  });
});

describe("gate_reason", () => {
  // Each row has one trouble more than the next, and all that follow.
  it.each([
    [[true, true, true, true, 5, 0], "open-hold", "inconclusive"],
    [[false, true, true, true, 5, 0], "unknown-usage", "inconclusive"],
    [[false, false, true, true, 5, 0], "unbalanced", "inconclusive"],
    [[false, false, false, true, 5, 0], "mixed-units", "inconclusive"],
    [[false, false, false, false, 5, 0], "zero-median", "unequal"],
    [[false, false, false, false, 5, 1], "over-tolerance", "unequal"],
    [[false, false, false, false, 1, 20], null, "equal"],
    [[false, false, false, false, 0, 0], null, "equal"],
  ])("%j is %s, %s", async (facts, reason, verdict) => {
    const call = "l.gate_reason($1::boolean, $2::boolean, $3::boolean, $4::boolean, $5::numeric, $6::numeric, 0.05)";
    expect(await computed(ledger, call, ...facts)).toBe(reason);
    expect(await computed(ledger, "l.gate_verdict($1)", reason)).toBe(verdict);
  });
});
