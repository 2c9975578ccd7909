/** A supervisor whose runs are told to OpenTelemetry. The ledger stays the record; a tracer that fails changes nothing. */
import { type Tracer, type TracerProvider, trace } from "@opentelemetry/api";
import { z } from "zod";
import { parse } from "../ledger/schemas.js";
import { createSupervisor, type Supervisor, type SupervisorOptions } from "../supervise/supervisor.js";
import { guarded, withContext } from "./guarded.js";
import { RunSpans } from "./run-spans.js";

/** Where spans go. Default: the tracer provider that the program registered globally. */
export interface TracingOptions {
  readonly tracer?: Tracer;
  /** Asked for a tracer named `agent-ledger`. */
  readonly tracerProvider?: TracerProvider;
}

const has = (method: string) => (value: unknown) =>
  typeof (value as Record<string, unknown> | null | undefined)?.[method] === "function";

const tracingOptions = z
  .strictObject({
    tracer: z.custom(has("startSpan"), { error: "must be a tracer of OpenTelemetry" }).optional(),
    tracerProvider: z.custom(has("getTracer"), { error: "must be a tracer provider of OpenTelemetry" }).optional(),
  })
  .refine(({ tracer, tracerProvider }) => tracer === undefined || tracerProvider === undefined, {
    path: ["tracerProvider"],
    error: "is given beside tracer: give one of them",
  });

/**
 * A supervisor that makes a span `agent.run` of each `run` (active while it goes on), below it `agent.turn` per model call of its driver and
 * `agent.child` per child, nested as the drivers are. Attributes are those of the GenAI conventions, where they have a word; usage that is
 * not known is left out. The span of a driver, and of the run, has the sum of what is below it, as the conventions have it for agents.
 * A run that is resumed has a span per life.
 * @throws {LedgerError} LG001 where an option is malformed.
 */
export function tracedSupervisor(options: SupervisorOptions, tracing: TracingOptions = {}): Supervisor {
  parse(tracingOptions, tracing, "tracing");
  const plain = createSupervisor(options);
  const { tracer: given, tracerProvider } = tracing;
  // Asked anew for each run: a provider may be registered after this.
  const tracer = () => given ?? (tracerProvider ?? trace).getTracer("agent-ledger");
  return {
    async run(agent, task, run) {
      const maker = guarded(tracer);
      if (!maker || typeof run?.runId !== "string") return plain.run(agent, task, run);
      const { runId, label = runId, budget } = run;
      const spans = new RunSpans(maker, { runId, label: String(label), budget });
      const traced = createSupervisor({ ...options, hooks: [...(options.hooks ?? []), spans.hook] });
      try {
        const result = await withContext(spans.context, () => traced.run(agent, task, run));
        guarded(() => spans.end(result));
        return result;
      } catch (error) {
        guarded(() => spans.fail(error));
        throw error;
      }
    },
  };
}
