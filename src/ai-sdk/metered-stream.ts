/** A stream of a model that is booked however it ends, before the program sees its end. */
import type { LanguageModelV3StreamPart } from "@ai-sdk/provider";
import type { MeteredCall, MeteredReport } from "../metering/metered-call.js";
import type { UsageFormat } from "../usage/usage.js";
import { failureOf } from "./failure.js";
import { Hearing } from "./hearing.js";

/** How a stream is to be read. */
export interface StreamOptions {
  readonly call: MeteredCall;
  readonly format: UsageFormat | undefined;
  /** Whether the program asked for the provider's own chunks. */
  readonly raw: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * The same parts, metered. Nothing is read ahead of the program; a stream that it neither reads to its end nor cancels nor aborts is
 * charged its ceilings when its lease has passed.
 */
export function meteredStream(
  stream: ReadableStream<LanguageModelV3StreamPart>,
  { call, format, raw, signal }: StreamOptions,
): ReadableStream<LanguageModelV3StreamPart> {
  const reader = stream.getReader();
  const heard = new Hearing(format);

  const end = (error?: unknown): Promise<void> => {
    signal?.removeEventListener("abort", onAbort);
    const report = reportOf(heard);
    const failed = error ?? heard.failed;
    if (report.complete || failed === STOPPED) return call.answered(report);
    return call.failed(failed === undefined ? "the stream broke off" : failureOf(failed, format).reason, report);
  };
  let aborted: unknown;
  const onAbort = (): void => {
    aborted = signal?.reason ?? new Error("aborted");
    void end(aborted);
  };
  signal?.addEventListener("abort", onAbort, { once: true });

  return new ReadableStream<LanguageModelV3StreamPart>(
    {
      async pull(controller) {
        for (;;) {
          const next = await reader.read().catch(async (error: unknown): Promise<never> => {
            await end(error);
            throw error;
          });
          // It is booked: what may still be on its way is not given out any more.
          if (aborted !== undefined) {
            reader.cancel(aborted).catch(() => {});
            await end();
            throw aborted;
          }
          if (next.done) {
            await end();
            controller.close();
            return;
          }
          const part = next.value;
          hear(heard, part);
          if (part?.type === "finish") await end();
          if (part?.type === "raw" && !raw) continue;
          controller.enqueue(part);
          return;
        }
      },
      async cancel(reason) {
        await Promise.all([reader.cancel(reason), end(STOPPED)]);
      },
    },
    { highWaterMark: 0 },
  );
}

/** What a model streams is the program's, in whatever form it is: what cannot be read of it is unknown. */
function hear(heard: Hearing, part: LanguageModelV3StreamPart): void {
  try {
    heard.add(part);
  } catch {
    // No part as the SDK has them.
  }
}

function reportOf(heard: Hearing): MeteredReport {
  try {
    return heard.report();
  } catch {
    return { spend: {}, tools: [], complete: false };
  }
}

/** The program wants no more of it. */
const STOPPED = Symbol("stopped");
