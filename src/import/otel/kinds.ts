/**
 * Which spans are calls of a model and which are tools. Usage on a span of an agent or a workflow is the sum of what is below it, so those are
 * none; what is below an agent or a tool is work of its own, which no call above them tells again. By `gen_ai.operation.name`, where it is one that the conventions know; else by what older instrumentations and the AI SDK of
 * Vercel write.
 */
import { GEN_AI, LEDGER, OPERATION } from "../../otel/names.js";
import type { Span } from "./shapes.js";
import type { Value } from "./values.js";

/** `ours`: a span of a supervised run, whose ledger has it already. `agent`: of an agent, a workflow, or a tool that tells nothing of itself. */
export type Kind = "call" | "tool" | "agent" | "ours" | "other";

const CALLS: readonly Value[] = [
  OPERATION.chat,
  OPERATION.textCompletion,
  OPERATION.generateContent,
  OPERATION.embeddings,
];
const AGENTS: readonly Value[] = [
  OPERATION.createAgent,
  OPERATION.invokeAgent,
  OPERATION.invokeWorkflow,
  OPERATION.retrieval,
];

/** What the AI SDK calls its spans by; those that ask a model are `ai.<what>.doGenerate`, `.doStream` and `.doEmbed`. */
export const AI_OPERATION = "ai.operationId";
export const AI_TOOL = "ai.toolCall";

/** Where other instrumentations say what a span is of. */
const SPAN_KINDS = ["traceloop.span.kind", "openinference.span.kind"];

/** Whether a call of this operation makes an embedding. */
export function isEmbedding(operation: unknown): boolean {
  return operation === OPERATION.embeddings || /\.doEmbed$/.test(String(operation));
}

const USAGE = [GEN_AI.inputTokens, GEN_AI.outputTokens, GEN_AI.promptTokens, GEN_AI.completionTokens];
const MODELS = [GEN_AI.requestModel, GEN_AI.responseModel];

/** What a span is. */
export function kindOf({ attributes }: Pick<Span, "attributes">): Kind {
  if (attributes.has(LEDGER.runId)) return "ours";
  const operation = attributes.get(GEN_AI.operation) ?? "";
  if (CALLS.includes(operation)) return "call";
  if (operation === OPERATION.executeTool) return "tool";
  if (AGENTS.includes(operation)) return "agent";
  const ai = attributes.get(AI_OPERATION);
  if (ai === AI_TOOL) return "tool";
  if (typeof ai === "string") return /\.do(?:Generate|Stream|Embed)$/.test(ai) ? "call" : "other";
  const said = SPAN_KINDS.map((name) => String(attributes.get(name)));
  if (said.some((one) => /^(?:agent|workflow|tool)$/i.test(one))) return "agent";
  if (said.some((one) => /^(?:chain|task)$/i.test(one))) return "other";
  const has = (names: readonly string[]) => names.some((name) => attributes.has(name));
  return has(USAGE) && has(MODELS) ? "call" : "other";
}
