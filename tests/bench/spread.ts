/** Several measurements of the same thing. */

/** Median and range, in whatever unit was measured. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Median and range of samples. */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted[sorted.length % 2 ? middle : middle - 1] ?? upper;
  return { median: (lower + upper) / 2, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN };
}

const digits = (value: number): string => {
  if (value === 0) return "0";
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
};

/** As people read it: three digits, and the range where there is one. */
export function rangeText({ median, least, most }: Spread): string {
  return least === most ? digits(median) : `${digits(median)} (${digits(least)}–${digits(most)})`;
}
