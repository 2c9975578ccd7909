/** Who does the work in a victim: workers that ask the provider, drivers that ask it what to do, and drivers that are programs. */

import type { UsageEvent } from "../../../src/ledger/spend.js";
import { type Agent, driverChild, type Spawnable, type Worker } from "../../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../../src/supervise/driver/driver.js";
import { keepBest } from "../../../src/supervise/driver/keep-best.js";
import type { Executor, ExecutorResult } from "../../../src/supervise/executor.js";
import { routerDriverChat } from "../../../src/supervise/router/chat.js";
import { modelOf } from "./policy.js";
import type { WorkAnswer } from "./provider.js";
import { variantOf } from "./variants.js";
import { type Group, groupOf, isGroup, madeOf, type Piece } from "./work.js";

/** Attempts of a program at one part of its group: each kill costs one at most. */
const MOST_ATTEMPTS = 20;

/** Who takes part in one victim. */
export class Cast {
  constructor(
    private readonly url: string,
    private readonly variant: string,
  ) {}

  /** The driver of a group. */
  driver(key: string): Agent {
    const group = groupOf(key);
    return group.drivenBy === "model" ? this.#model(key, group) : this.#program(key, group);
  }

  #model(key: string, { parts }: Group): Agent {
    const { worker, maxUsdPerCall } = variantOf(this.variant);
    const { tokens = 0, iterations = 0, usd } = worker;
    return coordinationDriverAgent({
      name: key,
      chat: routerDriverChat({ baseURL: `${this.url}/v1`, model: modelOf(key, this.variant) }),
      profiles: Object.fromEntries(Object.keys(parts).map((name) => [name, this.#part(parts, name)])),
      perWorker: { maxTokens: tokens, maxIterations: iterations, ...(usd !== undefined && { maxUsd: usd }) },
      maxTurns: 0,
      maxUsdPerCall,
    });
  }

  #program(key: string, { parts }: Group): Agent {
    const { inner, worker } = variantOf(this.variant);
    return {
      name: key,
      act: async (_, scope) => {
        for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
          const spawned = [];
          for (const name of Object.keys(parts)) {
            const budget = isGroup(parts[name] as Piece | Group) ? inner : worker;
            spawned.push(await scope.spawn(this.#part(parts, name), { key: name }, { key: name, label: name, budget }));
          }
          let down = 0;
          for (let settled = await scope.next(); settled; settled = await scope.next())
            down += settled.kind === "down" ? 1 : 0;
          if (down === 0 && spawned.every(({ ok }) => ok)) return keepBest(scope);
        }
        throw new Error(`${key} never gets its work done`);
      },
    };
  }

  #part(parts: Group["parts"], key: string): Spawnable {
    const part = parts[key] as Piece | Group;
    return isGroup(part) ? driverChild(this.driver(key)) : this.#worker(key, part);
  }

  #worker(key: string, piece: Piece): Worker {
    const make = piece.style === "one-shot" ? oneShot : streaming;
    return {
      name: key,
      runtime: "http",
      executor: (_, { nodeId }) => make({ key, piece, ask: (signal) => this.#ask(nodeId, signal) }),
    };
  }

  async #ask(node: string, signal: AbortSignal): Promise<WorkAnswer> {
    const answer = await fetch(`${this.url}/work`, { method: "POST", body: JSON.stringify({ node }), signal });
    return (await answer.json()) as WorkAnswer;
  }
}

interface Job {
  readonly key: string;
  readonly piece: Piece;
  readonly ask: (signal: AbortSignal) => Promise<WorkAnswer>;
}

function resultOf({ key, piece }: Job, spent: ExecutorResult["spent"]): ExecutorResult {
  return { out: madeOf(key), verdict: { valid: true, score: piece.score }, spent };
}

const microUsd = (usd: string): number => Math.round(Number(usd) * 1e6);

function oneShot(job: Job): Executor {
  return {
    runtime: "http",
    async execute(_, signal) {
      let [input, output, micro] = [0, 0, 0];
      for (let call = 0; call < job.piece.calls; call++) {
        const answer = await job.ask(signal);
        input += answer.input;
        output += answer.output;
        micro += microUsd(answer.usd);
      }
      const usd = (micro / 1e6).toFixed(6);
      return resultOf(job, { iterations: job.piece.calls, input_tokens: input, output_tokens: output, usd });
    },
    teardown() {},
  };
}

function streaming(job: Job): Executor {
  let [input, output, micro] = [0, 0, 0];
  async function* work(signal: AbortSignal): AsyncGenerator<UsageEvent> {
    for (let call = 0; call < job.piece.calls; call++) {
      const answer = await job.ask(signal);
      input += answer.input;
      output += answer.output;
      micro += microUsd(answer.usd);
      yield { type: "tokens", input: answer.input, output: answer.output };
      yield { type: "cost", usd: answer.usd };
      yield { type: "iteration" };
    }
  }
  return {
    runtime: "http",
    execute: (_, signal) => work(signal),
    resultArtifact() {
      const usd = (micro / 1e6).toFixed(6);
      return resultOf(job, { iterations: job.piece.calls, input_tokens: input, output_tokens: output, usd });
    },
    teardown() {},
  };
}
