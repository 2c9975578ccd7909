/** Why a call of the AI SDK failed: whether the provider took it, and a reason without the provider's words, which may repeat the prompt. */

import type { MeteredReport } from "../metering/metered-call.js";
import { neverSent } from "../metering/never-sent.js";
import { notTaken } from "../metering/not-taken.js";
import { reportOf } from "../usage/report.js";
import type { UsageFormat } from "../usage/usage.js";
import { readingFormat } from "./usage.js";

/** A call that has failed. */
export interface Failure {
  readonly reason: string;
  /** The provider did not take the request, or was never asked: nothing was used. */
  readonly refused: boolean;
  /** What its answer said all the same. */
  readonly report?: MeteredReport;
}

/** Errors of the SDK that come before anything is sent. */
const BEFORE_SENDING: readonly string[] = [
  "AI_InvalidArgumentError",
  "AI_InvalidPromptError",
  "AI_LoadAPIKeyError",
  "AI_LoadSettingError",
  "AI_NoSuchModelError",
  "AI_UnsupportedFunctionalityError",
];

/** What a model's error says. Known by its form: the application may have another copy of the SDK. */
export function failureOf(error: unknown, format: UsageFormat | undefined): Failure {
  const { name, statusCode, responseBody } = fieldsOf(error);
  const status = typeof statusCode === "number" ? statusCode : undefined;
  const kind = typeof name === "string" && /^[\w.-]{1,100}$/.test(name) ? name : "error";
  return {
    reason: status === undefined ? kind : `${kind} ${status}`,
    refused: status === undefined ? BEFORE_SENDING.includes(kind) || neverSent(error) : notTaken(status),
    ...heardOf(status, responseBody, format),
  };
}

/** An answer that was not understood may tell what it used. */
function heardOf(
  status: number | undefined,
  body: unknown,
  format: UsageFormat | undefined,
): { readonly report?: MeteredReport } {
  if (format === undefined || typeof body !== "string" || status === undefined || status >= 300) return {};
  try {
    return { report: reportOf(readingFormat(format), JSON.parse(body)) };
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return {};
  // Names of errors are not always their own fields.
  return Object.fromEntries(["name", "statusCode", "responseBody"].map((key) => [key, Reflect.get(value, key)]));
}
