/**
 * The spans of one life of a run: `agent.run`, below it `agent.turn` per model call of its driver and `agent.child` per child, and so on below
 * children that drive. They are made from the hook events, so that they say what the ledger's rows say.
 */
import { type Attributes, type Context, context, ROOT_CONTEXT, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { HookEvent } from "../supervise/hooks.js";
import type { SupervisedResult } from "../supervise/result.js";
import { budgetAttributes, numberOf, present, type Used, usageAttributes } from "./attributes.js";
import { GuardedSpan, guarded, type SpanMaker } from "./guarded.js";
import { GEN_AI, GENERAL, LEDGER, OPERATION, OTHER } from "./names.js";

/** What a run is known by before it runs. */
export interface RunNamed {
  readonly runId: string;
  readonly label: string;
  readonly budget: unknown;
}

type Payload = HookEvent["payload"];

export class RunSpans {
  readonly #tracer: SpanMaker;
  readonly #run: GuardedSpan;
  readonly #runId: string;
  /** By node: what spans below it are started in, also when it has ended. */
  readonly #contexts = new Map<string, Context>();
  readonly #open = new Map<string, GuardedSpan>();
  #over = false;

  constructor(tracer: SpanMaker, { runId, label, budget }: RunNamed) {
    this.#tracer = tracer;
    this.#runId = runId;
    const attributes = {
      [GEN_AI.operation]: OPERATION.invokeAgent,
      [GEN_AI.agentName]: label,
      [GEN_AI.agentId]: runId,
      [LEDGER.runId]: runId,
      [LEDGER.nodeId]: runId,
      ...budgetAttributes(budget),
    };
    const above = guarded(() => context.active()) ?? ROOT_CONTEXT;
    this.#run = new GuardedSpan(tracer, "agent.run", { kind: SpanKind.INTERNAL, attributes }, above);
    this.#contexts.set(runId, this.#run.context);
  }

  /** Active while the run goes on, so that spans of workers come below it. */
  get context(): Context {
    return this.#run.context;
  }

  /** A hook. What happens after the run has ended is told to nobody. */
  readonly hook = (event: HookEvent): void => {
    if (this.#over) return;
    if (event.target === "agent.spawn") this.#spawned(event);
    else if (event.target === "agent.child") this.#ended(event);
    else this.#turned(event);
  };

  /** Ends the run's span with what it came to, and whatever is open below it. */
  end(result: SupervisedResult): void {
    this.#run.set({
      ...usageAttributes({ ...result.spentTotal }),
      ...present({ [LEDGER.outcome]: result.kind, [LEDGER.downCount]: result.downCount }),
    });
    if (result.kind === "winner") {
      const { outRef, verdict } = result;
      this.#run.set(present({ [LEDGER.outRef]: outRef, [LEDGER.valid]: verdict.valid, [LEDGER.score]: verdict.score }));
    } else {
      this.#run.set({ [LEDGER.reason]: result.reason, [GENERAL.errorType]: result.reason });
      this.#run.fail(SpanStatusCode.ERROR, result.error?.message ?? result.reason);
    }
    this.#close();
  }

  /** The run did not end: what `run` threw. */
  fail(error: unknown): void {
    const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
    const type = [code, name].find((value) => typeof value === "string") ?? OTHER;
    this.#run.set({ [GENERAL.errorType]: String(type) });
    this.#run.fail(SpanStatusCode.ERROR, error instanceof Error ? error.message : undefined);
    this.#close();
  }

  #close(): void {
    this.#over = true;
    const now = Date.now();
    for (const span of this.#open.values()) {
      span.set({ [LEDGER.leftOpen]: true });
      span.end(now);
    }
    this.#open.clear();
    this.#contexts.clear();
    this.#run.end(now);
  }

  #spawned({ payload, timestamp, parentId, id }: HookEvent): void {
    const nodeId = String(payload.childId);
    this.#child(nodeId, parentId, timestamp, {
      ...present({
        [GEN_AI.agentName]: payload.label,
        [LEDGER.runtime]: payload.runtime,
        [LEDGER.depth]: payload.depth,
        [LEDGER.eventId]: id,
      }),
      ...budgetAttributes(payload.budget),
    });
  }

  #ended({ payload, phase, timestamp, parentId, id }: HookEvent): void {
    const nodeId = String(payload.childId);
    const spent = (payload.spent ?? {}) as Used;
    // One that was spawned in an earlier life: its time is as long as it told.
    const began = timestamp - (numberOf(spent.ms) ?? 0);
    const span = this.#open.get(nodeId) ?? this.#child(nodeId, parentId, began, { [LEDGER.earlierLife]: true });
    this.#open.delete(nodeId);
    const { status, outRef, valid, score, infra, reason } = payload;
    span.set({
      ...usageAttributes(spent),
      ...present({
        [LEDGER.eventId]: id,
        [LEDGER.status]: status,
        [LEDGER.outRef]: outRef,
        [LEDGER.valid]: valid,
        [LEDGER.score]: score,
      }),
    });
    if (phase === "error") {
      span.set(present({ [GENERAL.errorType]: status, [LEDGER.infra]: infra }));
      span.fail(SpanStatusCode.ERROR, textOf(reason));
    }
    span.end(timestamp);
  }

  #child(nodeId: string, parentId: string | undefined, startTime: number, more: Attributes): GuardedSpan {
    const attributes = {
      [GEN_AI.operation]: OPERATION.invokeAgent,
      [GEN_AI.agentId]: nodeId,
      [LEDGER.runId]: this.#runId,
      [LEDGER.nodeId]: nodeId,
      ...more,
    };
    const options = { kind: SpanKind.INTERNAL, attributes, startTime };
    const span = new GuardedSpan(this.#tracer, "agent.child", options, this.#below(parentId));
    this.#contexts.set(nodeId, span.context);
    this.#open.set(nodeId, span);
    return span;
  }

  #turned({ payload, phase, timestamp, parentId, id }: HookEvent): void {
    const spend = payload.spend as Used | undefined;
    const startTime = timestamp - (numberOf(spend?.ms) ?? 0);
    const attributes = {
      [GEN_AI.operation]: OPERATION.chat,
      [LEDGER.runId]: this.#runId,
      [LEDGER.eventId]: id,
      ...turnAttributes(payload),
      ...present({ [LEDGER.nodeId]: parentId, [GEN_AI.agentId]: parentId }),
      ...(spend && usageAttributes({ ...spend, iterations: undefined })),
    };
    const options = { kind: SpanKind.CLIENT, attributes, startTime };
    const span = new GuardedSpan(this.#tracer, "agent.turn", options, this.#below(parentId));
    if (phase === "error") {
      span.set({ [GENERAL.errorType]: OTHER });
      span.fail(SpanStatusCode.ERROR, textOf(payload.inferenceFailed));
    }
    span.end(timestamp);
  }

  /** Below a node that is not known here, such as one of an earlier life: below the run. */
  #below(nodeId: string | undefined): Context {
    return this.#contexts.get(nodeId ?? this.#runId) ?? this.#run.context;
  }
}

function turnAttributes({ provider, model, providerRequestId, driver, kind, turn, toolCalls, corrects }: Payload) {
  return present({
    [GEN_AI.provider]: provider,
    [GEN_AI.requestModel]: model,
    [GEN_AI.responseId]: providerRequestId,
    [GEN_AI.agentName]: driver,
    [LEDGER.kind]: kind,
    [LEDGER.turn]: turn,
    [LEDGER.toolCalls]: toolCalls,
    [LEDGER.corrects]: corrects,
  });
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
