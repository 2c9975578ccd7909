/** Progress of long work, on standard error: a bar for people at a terminal, lines where there is none, nothing with --json. */
import { SingleBar } from "cli-progress";
import { amount, printError, visible } from "./output.js";

/** Where an import stands. */
export interface Progress {
  readonly session: string;
  readonly done: number;
  readonly total: number;
}

/** Shows progress until it is stopped; both may be passed around by themselves. */
export interface ProgressBar {
  readonly update: (progress: Progress) => void;
  readonly stop: () => void;
}

/** Starts showing nothing yet: the first update says how much there is. */
export function progressBar({ json }: { readonly json?: true }): ProgressBar {
  if (json) return { update: () => {}, stop: () => {} };
  return process.stderr.isTTY ? drawnBar() : plainLines();
}

function drawnBar(): ProgressBar {
  const format = "Importing {bar} {value}/{total} {session}";
  // The terminal is left as it is, so that a Ctrl-C in between leaves it in order.
  const terminal = { hideCursor: false, linewrap: true };
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, barsize: 30, ...terminal });
  let started = false;
  return {
    update: ({ session: name, done, total }) => {
      const session = visible(name);
      if (!started) bar.start(total, 0, { session });
      started = true;
      bar.setTotal(total);
      bar.update(done, { session });
    },
    stop: () => bar.stop(),
  };
}

/** Between two lines: a log should not be longer than the work. */
const PAUSE_MS = 2_000;

function plainLines(): ProgressBar {
  let last = Date.now();
  return {
    update: ({ session, done, total }) => {
      if (Date.now() - last < PAUSE_MS) return;
      last = Date.now();
      printError(`importing: step ${done} of ${total}, ${session}`);
    },
    stop: () => {},
  };
}

/** Says every few seconds how far long work has come, such as `Exported 12,000 lines`; says nothing of short work. */
export function lineCounter(done: string, { json }: { readonly json?: true }, what = "lines"): (count: number) => void {
  let last = Date.now();
  return (count) => {
    if (json || Date.now() - last < PAUSE_MS) return;
    last = Date.now();
    printError(`${done} ${amount(String(count))} ${what}`);
  };
}
