/** Match clauses of a catalogue as what the ledger can match by, and the names that they speak of. */
import type { MatchLogic } from "@pydantic/genai-prices";
import type { PriceMatch } from "../ledger/prices.js";

/** A way to find a model that the ledger has too. The name is in lower case. */
export interface Matcher {
  readonly match: PriceMatch;
  readonly name: string;
}

/** A clause that the ledger has no match for; the name in it, where there is one, may still be matched as it stands. */
export interface Inexpressible {
  readonly clause: "ends_with" | "and" | "regex";
  readonly name?: string;
}

/** The clauses of a model: any of them finds it. */
export function clausesOf(match: MatchLogic): (Matcher | Inexpressible)[] {
  if ("or" in match) return match.or.flatMap(clausesOf);
  if ("equals" in match) return [{ match: "exact", name: match.equals.toLowerCase() }];
  if ("starts_with" in match) return [{ match: "prefix", name: match.starts_with.toLowerCase() }];
  if ("contains" in match) return [{ match: "contains", name: match.contains.toLowerCase() }];
  if ("ends_with" in match) return [{ clause: "ends_with", name: match.ends_with.toLowerCase() }];
  if ("regex" in match) return [ofRegex(match.regex)];
  const [name] = match.and.flatMap(clausesOf).flatMap((part) => part.name ?? []);
  return [{ clause: "and", ...(name !== undefined && { name }) }];
}

const DATED = /^\^(?<name>.+)-(?:\\d\{8\}|\\d\{4\}-\\d\{2\}-\\d\{2\})\$$/;
const LITERAL = /^\^(?<name>.+)\$$/;

/** A name with a date behind it, or a name alone; names are written with their punctuation escaped. */
function ofRegex(regex: string): Matcher | Inexpressible {
  const dated = plain(DATED.exec(regex)?.groups?.name);
  if (dated !== undefined) return { match: "dated", name: dated };
  const literal = plain(LITERAL.exec(regex)?.groups?.name);
  if (literal !== undefined) return { match: "exact", name: literal };
  // What stands before its first sign of its own: so that we know which names it speaks of.
  const name = plain(/^\^(?<name>(?:[\w\s/:@=-]|\\[^\w\s])+)/.exec(regex)?.groups?.name);
  return { clause: "regex", ...(name !== undefined && { name }) };
}

/** The text that a pattern without signs of its own stands for. */
function plain(pattern: string | undefined): string | undefined {
  if (pattern === undefined || !/^(?:[\w\s/:@=-]|\\[^\w\s])+$/.test(pattern)) return undefined;
  const text = pattern.replaceAll(/\\(.)/g, "$1");
  return text === text.toLowerCase() ? text : undefined;
}
