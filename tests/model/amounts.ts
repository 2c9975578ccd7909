/**
 * Exact decimals as whole numbers of 10^-12, the finest step an amount may have.
 */

/** An exact amount, counted in units of 10^-12. */
export type Amount = bigint;

/** Decimal places every amount is kept with. */
export const SCALE = 12;

const UNIT = 10n ** BigInt(SCALE);
const DECIMAL = /^(-?)(\d+)(?:\.(\d{1,12}))?$/;

/** A whole number as an amount. */
export function whole(count: number | bigint): Amount {
  return BigInt(count) * UNIT;
}

/** Reads a plain decimal of at most 12 places; anything else is `undefined`. */
export function parseAmount(text: string | number): Amount | undefined {
  const match = DECIMAL.exec(String(text));
  if (match === null) return undefined;
  const [, sign, integer = "0", fraction = ""] = match;
  const size = BigInt(integer) * UNIT + BigInt(fraction.padEnd(SCALE, "0"));
  return sign === "-" ? -size : size;
}

/** Writes an amount in its shortest decimal form. */
export function formatAmount(amount: Amount): string {
  const size = amount < 0n ? -amount : amount;
  const fraction = (size % UNIT).toString().padStart(SCALE, "0").replace(/0+$/, "");
  const digits = fraction === "" ? `${size / UNIT}` : `${size / UNIT}.${fraction}`;
  return amount < 0n ? `-${digits}` : digits;
}
