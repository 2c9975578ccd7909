/**
 * What is left to do for a trace, from its spans and what is booked of it. Nothing is asked here, so that the rule is one: a call is a wrapper,
 * whose figures are told again, where below it is a call that states tokens and nothing stands between the two but calls and spans of no
 * known kind; of embeddings only embeddings are. It is not counted, or taken back to nothing where it was booked first. In which order
 * they come does not matter within what `Links` remember: one receiver's memory, or one import. Parts of a trace that are imported apart are
 * right once the whole is imported again.
 */
import type { Booking } from "./booking.js";
import type { Links } from "./links.js";

/** A span as it is booked. */
export interface Booked {
  readonly span: string;
  readonly kind: "call" | "tool";
  readonly stated: boolean;
  readonly embeds: boolean;
  readonly digest: string;
  /** Spans above it that were known when it was booked. */
  readonly above: readonly string[];
  /** Taken back to nothing, as a wrapper. */
  readonly zeroed: boolean;
}

/** What is to be done, and what not. */
export interface Plan {
  readonly book: readonly { readonly booking: Booking; readonly above: readonly string[] }[];
  /** Booked spans that turned out to be wrappers. */
  readonly zero: readonly string[];
  readonly existing: readonly Booking[];
  /** Calls that are not counted, because a call below them is. */
  readonly wrappers: readonly Booking[];
  /** Those that say something else than what is booked of the same span. */
  readonly changed: readonly Booking[];
}

/** Plans one trace. `found`: its calls and tools, each span once. */
export function planTrace(
  trace: string,
  found: readonly Booking[],
  booked: ReadonlyMap<string, Booked>,
  links: Links,
): Plan {
  const aboveOf = new Map(found.map(({ span }) => [span.id, links.above(trace, span.id)]));
  for (const { span, above } of booked.values()) aboveOf.set(span, links.above(trace, span, above));
  const stated = [
    ...found.map(({ span, ...one }) => ({ ...one, id: span.id })),
    ...[...booked.values()].map(({ span, ...one }) => ({ ...one, id: span })),
  ].filter((one) => one.stated);
  const aboveStated = (embeds: boolean) =>
    new Set(stated.filter((one) => one.embeds === embeds).flatMap(({ id }) => aboveOf.get(id) ?? []));
  const outer = { chats: aboveStated(false), embeddings: aboveStated(true) };
  const isOuter = ({ kind, embeds }: Pick<Booked, "kind" | "embeds">, id: string): boolean =>
    kind === "call" && (embeds ? outer.embeddings : outer.chats).has(id);

  const isWrapper = (one: Booking): boolean => isOuter(one, one.span.id);
  const known = ({ span }: Booking): Booked | undefined => booked.get(span.id);
  const fresh = found.filter((one) => !known(one));
  return {
    book: fresh
      .filter((one) => !isWrapper(one))
      .map((booking) => ({ booking, above: aboveOf.get(booking.span.id) ?? [] })),
    zero: [...booked.values()].filter((one) => !one.zeroed && isOuter(one, one.span)).map(({ span }) => span),
    existing: found.filter((one) => known(one)?.digest === one.digest && !isWrapper(one)),
    wrappers: found.filter(isWrapper),
    changed: found.filter((one) => known(one) && known(one)?.digest !== one.digest && !isWrapper(one)),
  };
}
