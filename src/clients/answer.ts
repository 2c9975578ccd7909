/** What an answer says of its call, heard while its bytes pass by. */
import { createParser } from "eventsource-parser";
import { readStream, reportOf } from "../usage/report.js";
import type { CallReport } from "../usage/usage.js";
import type { ModelCall } from "./fetch.js";
import { usagePiecesOut } from "./usage-piece.js";

/** Characters of an answer, or of one event, that are kept; one beyond that says nothing. The program holds as much of it. */
const MOST_TEXT = 32 * 1024 * 1024;

/** An answer while it is read. */
export interface AnswerReading {
  /** Takes bytes, and answers those that the program is to have now. */
  add(bytes: Uint8Array): Uint8Array;
  /** Bytes that are still kept back when no more come. */
  rest(): Uint8Array;
  /** What was heard up to now. */
  report(): CallReport;
}

/** Reads the answer of a call. */
export function readAnswer(call: ModelCall, whole: boolean): AnswerReading {
  const reading = whole ? wholeOf(call) : eventsOf(call);
  const decoder = new TextDecoder();
  const pass = call.body === undefined || whole ? undefined : usagePiecesOut();
  return {
    add: (bytes) => {
      reading.add(decoder.decode(bytes, { stream: true }));
      return pass ? pass.add(bytes) : bytes;
    },
    rest: () => pass?.rest() ?? new Uint8Array(),
    report: reading.report,
  };
}

interface TextReading {
  add(text: string): void;
  report(): CallReport;
}

const NOTHING: CallReport = { spend: {}, tools: [], complete: false };

function wholeOf({ format, inFormat = (body) => body }: ModelCall): TextReading {
  let pieces: string[] = [];
  let length = 0;
  return {
    add: (text) => {
      length += text.length;
      if (length > MOST_TEXT) pieces = [];
      else pieces.push(text);
    },
    report: () => {
      const body = parsed(pieces.join(""));
      return typeof body === "object" && body !== null ? reportOf(format, inFormat(body)) : NOTHING;
    },
  };
}

function eventsOf({ format, choices }: ModelCall): TextReading {
  const reading = readStream(format, choices);
  const parser = createParser({
    maxBufferSize: MOST_TEXT,
    onEvent: ({ data }) => reading.add(data === "[DONE]" ? data : parsed(data)),
  });
  let lost = false;
  return {
    add: (text) => {
      if (lost) return;
      try {
        parser.feed(text);
      } catch {
        // An event too long to be kept: what comes after it is not heard.
        lost = true;
      }
    },
    report: () => reading.report(),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
