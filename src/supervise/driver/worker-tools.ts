/** Tools by which a driver's model gives work to others, looks at it and steers it. */
import { z } from "zod";
import type { Amount, Budget } from "../../ledger/protocol.js";
import { id } from "../../ledger/schemas.js";
import type { Spawnable } from "../agent.js";
import type { Child, PerWorker, Scope } from "../scope.js";
import { shownOutput } from "./text.js";
import { type ChatToolImplementation, type ToolError, toolOf } from "./tool.js";

/** What a profile names: something to spawn, or what makes it for a task. */
export type Profile = Spawnable<unknown> | ((task: unknown) => Spawnable<unknown>);

/** What is sent to a worker that is steered. Whether an interruption stops what the worker is doing is the worker's to say. */
export interface Instruction {
  readonly type: "instruction";
  /** The driver that sends it. */
  readonly from: string;
  readonly instruction: string;
  readonly interrupt: boolean;
}

/** Where worker tools work. */
export interface WorkerToolsOptions {
  readonly scope: Scope;
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly perWorker: PerWorker;
}

const count = z.number().int().nonnegative();

/** JSON of any form, and there. */
export const anything = z.unknown().refine((value) => value !== undefined, "is required");

/** spawn_worker (where there is a profile), observe_worker, steer_worker. */
export function workerTools({ scope, profiles, perWorker }: WorkerToolsOptions): ChatToolImplementation[] {
  const names = Object.keys(profiles);
  const unknownWorker = async (workerId: string): Promise<ToolError> => ({
    error: "unknown-worker",
    field: "workerId",
    rule: `${workerId} is no worker of this driver`,
    allowed: (await scope.children()).slice(-50).map(({ nodeId }) => nodeId),
  });

  const spawn = toolOf(
    {
      name: "spawn_worker",
      description:
        "Gives a task to a new worker and returns its workerId at once; await_event tells how it ended. Work with a key that is done already is not done again: its result is returned.",
      args: z.strictObject({
        profile: z.enum(names).describe("Which kind of worker"),
        task: anything.describe("What to do, as the worker expects it: a text or any JSON"),
        label: id.optional().describe("A short name for people; default: the profile"),
        budget: z
          .strictObject({
            tokens: count.optional(),
            iterations: count.optional(),
            usd: z.union([z.number().nonnegative(), z.string().regex(/^\d+(?:\.\d+)?$/)]).optional(),
          })
          .optional()
          .describe("Ceilings of this worker where they differ from the usual ones"),
        key: id.optional().describe("Names the work, so that it is done once"),
      }),
    },
    async ({ profile, task, label = profile, budget, key }) => {
      const chosen = profiles[profile];
      const agent = typeof chosen === "function" ? chosen(task) : chosen;
      if (!agent) throw new TypeError(`profile ${profile} made no worker`);
      const spawned = await scope.spawn(agent, task, {
        budget: { ...usualBudget(perWorker), ...stated(budget ?? {}) },
        label,
        ...(key !== undefined && { key }),
      });
      if (!spawned.ok) {
        return { error: spawned.code, ...(spawned.shortfall.length > 0 && { shortfall: spawned.shortfall }) };
      }
      const { handle, settled } = spawned;
      if (!settled) return { workerId: handle.nodeId };
      return {
        workerId: handle.nodeId,
        status: "done",
        outRef: settled.outRef,
        ...shownOutput(settled.out, settled.outRef),
      };
    },
  );

  const observe = toolOf(
    {
      name: "observe_worker",
      description: "Tells how a worker stands: status, what it spent, its output once it is done.",
      args: z.strictObject({ workerId: z.string() }),
    },
    async ({ workerId }) => {
      const child = await scope.child(workerId);
      return child ? await observed(scope, child) : await unknownWorker(workerId);
    },
  );

  const steer = toolOf(
    {
      name: "steer_worker",
      description:
        "Sends an instruction to a worker at work. delivered is false where it has ended or takes no messages. interrupt marks the instruction as one to stop for; what the worker makes of that is its own.",
      args: z.strictObject({ workerId: z.string(), instruction: z.string().min(1), interrupt: z.boolean().optional() }),
    },
    async ({ workerId, instruction, interrupt = false }) => {
      if (!(await scope.child(workerId))) return await unknownWorker(workerId);
      const message: Instruction = { type: "instruction", from: scope.nodeId, instruction, interrupt };
      return { delivered: await scope.send(workerId, message) };
    },
  );
  // A list of no names is no JSON Schema that endpoints take.
  return names.length === 0 ? [observe, steer] : [spawn, observe, steer];
}

/** The ceilings of a worker that asks for no others. */
function usualBudget({ maxTokens, maxIterations, maxUsd }: PerWorker): Budget {
  return stated({ tokens: maxTokens, iterations: maxIterations, usd: maxUsd });
}

/** Without what is undefined: a ceiling not stated overrides none. */
function stated(budget: Readonly<Record<string, Amount | undefined>>): Budget {
  return Object.fromEntries(Object.entries(budget).filter(([, amount]) => amount !== undefined));
}

async function observed(scope: Scope, child: Child): Promise<Readonly<Record<string, unknown>>> {
  const { nodeId, label, key, status, verdict, spent, outRef, reason } = child;
  const progress = scope.progress(nodeId);
  return {
    workerId: nodeId,
    label,
    ...(key !== undefined && { key }),
    status,
    ...(verdict && { verdict }),
    ...(reason !== null && { reason }),
    spent,
    outRef,
    ...(outRef !== null && shownOutput(await scope.output(child), outRef)),
    ...(progress && { progress }),
  };
}
