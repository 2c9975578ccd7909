/** Moments at which a process is killed, named or not, drawn by a seed. */
import { between } from "../../ledger/random.js";
import type { Stage } from "./provider.js";

/** A moment. Requests and operations are counted from 1 within one life. */
export type KillPoint =
  /** So long after it began its run. */
  | { readonly at: "moment"; readonly ms: number }
  /** At a stage of a request that the provider gets. */
  | { readonly at: "request"; readonly stage: Stage; readonly n: number }
  /** Before an operation goes to the ledger, when it is on its way, or when its answer is there and nobody has seen it. */
  | {
      readonly at: "operation";
      readonly op: string;
      readonly stage: "before" | "sent" | "answered";
      readonly n: number;
    };

const STAGES: readonly Stage[] = ["arrived", "billed", "half", "answered"];
const OPERATION_STAGES = ["before", "sent", "answered"] as const;

/** Operations that a run makes, and how many of each a life is sure to come to, more or less. */
const OPERATIONS: readonly (readonly [op: string, most: number])[] = [
  ["open_pool", 1],
  ["spawn", 8],
  ["dispatch", 8],
  ["meter", 5],
  ["settle", 6],
  ["settle", 6],
  ["deliver", 6],
  ["expire", 2],
];

/** The moment that comes next out of a generator. */
export function drawPoint(random: () => number): KillPoint {
  const of = <T>(all: readonly T[]): T => all[between(random, 0, all.length - 1)] as T;
  const kind = of(["moment", "request", "request", "operation", "operation", "operation"] as const);
  if (kind === "moment") return { at: "moment", ms: between(random, 1, 1_500) };
  if (kind === "request") return { at: "request", stage: of(STAGES), n: between(random, 1, 12) };
  const [op, most] = of(OPERATIONS);
  return { at: "operation", op, stage: of(OPERATION_STAGES), n: between(random, 1, most) };
}

/** For people. */
export function nameOf(point: KillPoint): string {
  if (point.at === "moment") return `after ${point.ms} ms`;
  if (point.at === "request") return `request ${point.n} ${point.stage}`;
  return `${point.op} ${point.n} ${point.stage}`;
}
