/** The body of an answer, read at the program's pace and settled before the program sees its end. */
import type { AnswerReading } from "./answer.js";
import type { Ending } from "./fetch.js";

/** How a body is read. */
export interface BodyOptions {
  readonly answer: AnswerReading;
  /** Books what the answer said until then; called again it does nothing more. Never throws. */
  readonly settle: (ending: Ending) => Promise<void>;
  readonly signal: AbortSignal | null | undefined;
}

/**
 * A body as a stream of the web: what stands for `fetch` may answer with one of Node's, as node-fetch does.
 * @throws {TypeError} where it is no stream, or somebody reads it.
 */
export function webStreamOf(body: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const stream = "getReader" in body ? body : ReadableStream.from(body);
  if (stream.locked) throw new TypeError("the body is being read");
  return stream;
}

/** Bytes on a buffer of their own: Node's are pieces of one that others use, which a program may hand on whole. */
function ownBytes(chunk: Uint8Array | string): Uint8Array {
  if (typeof chunk === "string") return new TextEncoder().encode(chunk);
  return Buffer.isBuffer(chunk) ? new Uint8Array(chunk) : chunk;
}

/**
 * The same bytes, less what the reading keeps back. Nothing is read ahead of the program; a body that it neither reads to its end nor
 * cancels nor aborts is charged the call's ceilings when its lease has passed.
 */
export function meteredBody(
  body: ReadableStream<Uint8Array>,
  { answer, settle, signal }: BodyOptions,
): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let broken: { readonly error: unknown } | undefined;

  const end = (ending: Ending): Promise<void> => {
    signal?.removeEventListener("abort", onAbort);
    return settle(ending);
  };
  const onAbort = (): void => void end({ broken: signal?.reason });
  signal?.addEventListener("abort", onAbort, { once: true });

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const give = (bytes: Uint8Array): boolean => {
          if (bytes.byteLength > 0) controller.enqueue(bytes);
          return bytes.byteLength > 0;
        };
        while (!broken) {
          try {
            reader ??= body.getReader();
            const { done, value } = await reader.read();
            if (!done && give(answer.add(ownBytes(value)))) return;
            if (!done) continue;
            give(answer.rest());
            await end({});
            controller.close();
            return;
          } catch (error) {
            await end({ broken: error });
            broken = { error };
            // What came before the break is read first.
            if (give(answer.rest())) return;
          }
        }
        throw broken.error;
      },
      async cancel(reason) {
        await Promise.all([(reader ?? body).cancel(reason), end({ stopped: true })]);
      },
    },
    { highWaterMark: 0 },
  );
}
