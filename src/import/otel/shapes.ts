/**
 * Trace exports of OTLP in JSON, as far as they are looked at. A span that is malformed is a problem of its own. Texts (events, messages,
 * what a status says) are not asked for: nothing of them can reach the ledger.
 */
import { z } from "zod";
import { firstIn, inWords } from "../../ledger/in-words.js";
import { MOST_PROBLEMS } from "./report.js";
import { plainValue, type Value } from "./values.js";

const hex = (digits: number) =>
  z
    .string(`must be ${digits} hex digits`)
    .regex(new RegExp(`^[0-9a-f]{${digits}}$`, "i"), `must be ${digits} hex digits`)
    .regex(/[^0]/, "must not be all zeros")
    .transform((text) => text.toLowerCase());

const NANOS = "must be nanoseconds since 1970";

/** Nanoseconds since 1970, text or number, in milliseconds; 0 is what OTLP has for an instant that is not there. */
const nanos = z
  .union([z.string().regex(/^\d{1,20}$/, NANOS), z.number(NANOS).nonnegative(NANOS)], NANOS)
  .transform((value) => (typeof value === "string" ? Number(BigInt(value) / 1_000_000n) : Math.floor(value / 1e6)))
  .refine((ms) => ms <= LATEST, NANOS)
  .nullish()
  .transform((ms) => ms || undefined);

/** The last instant that a date can hold. */
const LATEST = 8_640_000_000_000_000;

/** An attribute, its value as it came. */
interface Pair {
  readonly key: string;
  readonly value?: unknown;
}

/** Not a list of zod's, which would keep a finding for each element of the worst. */
const attributes = z.custom<readonly Pair[]>(arePairs, "must be a list of attributes: key and value").nullish();

function arePairs(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof (one as Pair | null | undefined)?.key === "string");
}

const span = z.object({
  traceId: hex(32),
  spanId: hex(16),
  parentSpanId: z.union([z.literal("").transform(() => undefined), hex(16)]).nullish(),
  name: z.string().nullish(),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes,
  status: z.object({ code: z.unknown().optional() }).nullish(),
});

const request = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes }).nullish(),
        scopeSpans: z.array(z.object({ spans: z.array(z.unknown()).nullish() })).nullish(),
      }),
    )
    .nullish(),
});

/** A span, as far as it is looked at. Instants are milliseconds since 1970. */
export interface Span {
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
  readonly name: string;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  readonly failed: boolean;
  readonly attributes: ReadonlyMap<string, Value>;
  /** Attributes as they came, for those that are no plain values. */
  readonly given: ReadonlyMap<string, unknown>;
  /** The service that it comes from. */
  readonly service: string | undefined;
}

/** What an export holds: spans, how many cannot be read, and what is wrong with the first of those. */
export interface Export {
  readonly spans: readonly Span[];
  readonly malformed: number;
  readonly reasons: readonly string[];
}

/** Whether it holds more than this many parts (resources, scopes and spans): told before they are looked at one by one. */
export function holdsMore(document: unknown, most: number): boolean {
  const listOf = (value: unknown, name: string): readonly unknown[] => {
    const list = (value as Readonly<Record<string, unknown>> | null | undefined)?.[name];
    return Array.isArray(list) ? list : [];
  };
  let left = most;
  const take = (list: readonly unknown[]): readonly unknown[] => {
    left -= list.length;
    return left < 0 ? [] : list;
  };
  for (const resource of take(listOf(document, "resourceSpans"))) {
    for (const scope of take(listOf(resource, "scopeSpans"))) take(listOf(scope, "spans"));
  }
  return left < 0;
}

/** Reads an export. Another signal's has no `resourceSpans`. */
export function readExport(document: unknown): Export | { readonly problem: string } {
  const parsed = request.safeParse(document, { error: inWords });
  if (!parsed.success) return { problem: worded(parsed.error) };
  const spans: Span[] = [];
  const reasons: string[] = [];
  let malformed = 0;
  for (const { resource, scopeSpans } of parsed.data.resourceSpans ?? []) {
    const service = plainOf(resource?.attributes).get("service.name");
    for (const given of (scopeSpans ?? []).flatMap((scope) => scope.spans ?? [])) {
      const one = span.safeParse(given, { error: inWords });
      if (one.success) {
        spans.push(spanOf(one.data, typeof service === "string" ? service : undefined));
        continue;
      }
      malformed += 1;
      if (reasons.length < MOST_PROBLEMS) reasons.push(worded(one.error));
    }
  }
  return { spans, malformed, reasons };
}

function worded({ issues }: z.ZodError): string {
  const { path, rule } = firstIn(issues);
  return [path.join("."), rule].filter(Boolean).join(": ");
}

function spanOf(given: z.output<typeof span>, service: string | undefined): Span {
  const code = given.status?.code;
  return {
    trace: given.traceId,
    id: given.spanId,
    parent: given.parentSpanId ?? undefined,
    name: given.name ?? "",
    startMs: given.startTimeUnixNano,
    endMs: given.endTimeUnixNano,
    failed: code === 2 || code === "STATUS_CODE_ERROR",
    attributes: plainOf(given.attributes),
    given: new Map((given.attributes ?? []).map(({ key, value }) => [key, value])),
    service,
  };
}

function plainOf(pairs: z.output<typeof attributes>): ReadonlyMap<string, Value> {
  const plain = (pairs ?? []).map(({ key, value }) => [key, plainValue(value)] as const);
  return new Map(plain.filter((entry): entry is [string, Value] => entry[1] !== undefined));
}
