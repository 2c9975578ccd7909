/** Who can be given work: agents that drive others, and workers that an executor runs. */
import { z } from "zod";
import { id, parse } from "../ledger/schemas.js";
import type { Executor } from "./executor.js";
import type { Scope } from "./scope.js";

/** An agent that drives others: its `act` spawns them in the scope it is given. What it resolves with is its result; undefined is none. */
export interface Agent<Task = unknown, Value = unknown> {
  readonly name: string;
  act(task: Task, scope: Scope): Promise<Value | undefined>;
}

/** What an executor is made for. */
export interface WorkerContext {
  readonly nodeId: string;
  readonly runId: string;
  readonly label: string;
  readonly key: string | undefined;
}

/** A leaf: an executor runs it, and it spawns nothing. */
export interface Worker<Task = unknown> {
  readonly name: string;
  /** What is kept with its node; the executor's own word is the same. */
  readonly runtime: string;
  /** Called once per granted spawn. */
  executor(task: Task, context: WorkerContext): Executor;
}

/** An agent as a child: it gets a scope and a pool of its own, one deeper. Made by `driverChild`. */
export interface DriverChild<Task = unknown> {
  readonly name: string;
  readonly runtime: string;
  readonly driver: Agent<Task>;
}

/** What a scope can spawn. */
export type Spawnable<Task = unknown> = Worker<Task> | DriverChild<Task>;

const isFunction = (value: unknown): boolean => typeof value === "function";

/** What an agent must have. */
export const agentSchema = z.looseObject({
  name: id,
  act: z.custom(isFunction, { error: "must be a function" }),
});

/** What a scope can spawn must have. */
export const spawnable = z.custom(isSpawnable, {
  error: ({ input }) =>
    isFunction((input as Partial<Agent> | null | undefined)?.act)
      ? "is an agent, which cannot be spawned as it is: wrap it by driverChild(agent)"
      : "must be a worker (an object with a function executor) or driverChild(agent)",
});

/** Whether it is a worker or a driver's child. */
export function isSpawnable(value: unknown): value is Spawnable {
  if (typeof value !== "object" || value === null) return false;
  if ("driver" in value) return isFunction((value.driver as Partial<Agent> | null | undefined)?.act);
  return "executor" in value && isFunction(value.executor);
}

/**
 * An agent that runs as a child of another, on a pool funded by exactly its reservation. Nests to any depth the run allows.
 * @throws {LedgerError} LG001 where it is no agent.
 */
export function driverChild<Task>(agent: Agent<Task>, options: { readonly runtime?: string } = {}): DriverChild<Task> {
  parse(agentSchema, agent, "agent");
  return { name: agent.name, runtime: options.runtime ?? "driver", driver: agent };
}
