/** Values of options and arguments, parsed. What does not fit is a call that the program does not know (exit code 2). */
import { InvalidArgumentError } from "commander";

const DECIMAL = /^-?(?:\d+(?:\.\d+)?|\.\d+)$/;

/** A whole number from 0. */
export function wholeNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError("It is a whole number from 0.");
  return number;
}

/** Seconds, at least a tenth of one. */
export function seconds(text: string): number {
  const number = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= 0.1 && number <= 86_400))
    throw new InvalidArgumentError("It is a number of seconds from 0.1 to 86400.");
  return number;
}

/** Days, such as `30d`. */
export function days(text: string): number {
  const number = /^\d{1,5}d$/.test(text) ? Number.parseInt(text, 10) : 0;
  if (number < 1) throw new InvalidArgumentError("It is a number of days from 1d, such as 30d.");
  return number;
}

/** A day or an instant, such as `2026-11-01` (which begins in UTC) or `2026-11-01T12:00:00+01:00`. */
export function moment(text: string): Date {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const date = new Date(isDay || /T.*(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : Number.NaN);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError("It is a day, such as 2026-11-01, or an instant with its time zone.");
  return date;
}

/** An exact decimal amount, kept as the text it is. */
export function decimal(text: string): string {
  if (!DECIMAL.test(text)) throw new InvalidArgumentError("It is a decimal number, such as 100 or 0.25.");
  return text;
}

/** A part of something, from 0 to 1, kept as the text it is. */
export function fraction(text: string): string {
  if (!DECIMAL.test(text) || !(Number(text) >= 0 && Number(text) <= 1))
    throw new InvalidArgumentError("It is a number from 0 to 1, such as 0.05.");
  return text;
}

/** `name=amount`, added to those before it. */
export function namedAmount(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.lastIndexOf("=");
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || !DECIMAL.test(value))
    throw new InvalidArgumentError(`${text}: it is name=amount, such as tokens=1000.`);
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is named twice.`);
  return { ...before, [name]: value };
}

/** Channels that have options of their own. */
const USUAL_CHANNELS = ["tokens", "iterations", "usd"];

/** `name=amount` of a channel that has no option of its own, added to those before it. */
export function resourceAmount(text: string, before?: Readonly<Record<string, string>>): Record<string, string> {
  const name = text.slice(0, text.lastIndexOf("="));
  if (USUAL_CHANNELS.includes(name)) throw new InvalidArgumentError(`${name} is given by --${name}.`);
  return namedAmount(text, before);
}

/** `name=amount,name=amount`, added to those before it. */
export function namedAmounts(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  return text.split(",").reduce((all: Record<string, string>, part) => namedAmount(part.trim(), all), { ...before });
}
