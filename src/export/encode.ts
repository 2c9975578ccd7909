/**
 * Rows of views as lines of text, the same for the same row: keys in the order they are given, what is null left out, amounts and
 * JSON exactly as the database wrote them.
 */
import pg from "pg";
import { exactTypes } from "../database/connect.js";

/** JSON text that goes into a line as it is. */
export class RawJson {
  constructor(readonly text: string) {}
}

const [JSON_TEXT, JSONB, INSTANT] = [114, 3802, 1184] as const;

/** JSON stays text, which `JSON.parse` would round; instants keep their microseconds, in UTC whatever the session's zone. */
export function exportTypes(): pg.TypeOverrides {
  const types = exactTypes();
  const raw = (text: string): RawJson => new RawJson(text);
  types.setTypeParser(JSON_TEXT, raw);
  types.setTypeParser(JSONB, raw);
  types.setTypeParser(INSTANT, exactInstant);
  return types;
}

const toDate = pg.types.getTypeParser(INSTANT) as (text: string) => Date | number;

/** `2026-11-22 18:31:20.12+01` -> `2026-11-22T17:31:20.120000Z`. */
function exactInstant(text: string): string {
  const seconds = new Date(toDate(text)).toISOString().slice(0, 19);
  const [, fraction = ""] = /\.(\d+)/.exec(text) ?? [];
  return `${seconds}.${fraction.padEnd(6, "0")}Z`;
}

/** A value of a line. */
export type Value = string | number | boolean | null | undefined | RawJson | readonly Value[] | Fields;

/** Members of a line, in order. */
export interface Fields {
  readonly [name: string]: Value | unknown;
}

/** One object on a line of its own. */
export function encodeLine(type: string, fields: Fields): string {
  return `${encode({ type, ...fields })}\n`;
}

function encode(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${encode(member)}`).join(",")}}`;
}

/** A string, or a number by itself. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** The same JSON with its numbers as text, so that no reader rounds them. */
export function withTextAmounts(value: unknown): RawJson | null {
  if (!(value instanceof RawJson)) return null;
  return new RawJson(value.text.replace(TOKEN, (token) => (token.startsWith('"') ? token : `"${token}"`)));
}
