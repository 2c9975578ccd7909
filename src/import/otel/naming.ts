/** Names from attributes, such as the ledger can keep: 200 characters at most, none of them a control character. */
import type { Value } from "./values.js";

const LONGEST = 200;

/** The first of these attributes that is a text. */
export function nameOf(attributes: ReadonlyMap<string, Value>, names: readonly string[]): string | undefined {
  const found = names.map((name) => attributes.get(name)).find((value) => typeof value === "string" && value !== "");
  return textOf(found);
}

/**
 * The first of these attributes that is an identifier. Where programs write what they please (why something failed, what a tool is called), a
 * text of somebody's can stand, which is not kept.
 */
export function identifierOf(attributes: ReadonlyMap<string, Value>, names: readonly string[]): string | undefined {
  return names.map((name) => String(attributes.get(name) ?? "")).find((value) => /^[\w.:/-]{1,100}$/.test(value));
}

/** The text as a name; undefined where nothing is left of it. */
export function textOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const plain = value
    .replaceAll(/\p{Cs}/gu, "\uFFFD")
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim();
  return [...plain.slice(0, 2 * LONGEST)].slice(0, LONGEST).join("").trim() || undefined;
}
