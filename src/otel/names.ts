/**
 * Names of attributes. Those of OpenTelemetry are its semantic conventions for generative AI, 1.45 (incubating: there is no stable package to
 * import them from); what they have no word for is named below `agent_ledger.`.
 */

/** Attributes of the semantic conventions, those in use and those that older instrumentations still write. */
export const GEN_AI = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  responseModel: "gen_ai.response.model",
  responseId: "gen_ai.response.id",
  agentId: "gen_ai.agent.id",
  agentName: "gen_ai.agent.name",
  toolName: "gen_ai.tool.name",
  toolCallId: "gen_ai.tool.call.id",
  toolCallArguments: "gen_ai.tool.call.arguments",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteTokens: "gen_ai.usage.cache_creation.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
  /** Replaced by `gen_ai.provider.name`. */
  system: "gen_ai.system",
  /** Replaced by `gen_ai.usage.input_tokens`. */
  promptTokens: "gen_ai.usage.prompt_tokens",
  /** Replaced by `gen_ai.usage.output_tokens`. */
  completionTokens: "gen_ai.usage.completion_tokens",
} as const;

/** Values of `gen_ai.operation.name`. */
export const OPERATION = {
  chat: "chat",
  textCompletion: "text_completion",
  generateContent: "generate_content",
  embeddings: "embeddings",
  executeTool: "execute_tool",
  createAgent: "create_agent",
  invokeAgent: "invoke_agent",
  invokeWorkflow: "invoke_workflow",
  retrieval: "retrieval",
} as const;

/** Stable attributes that are not of generative AI. */
export const GENERAL = {
  errorType: "error.type",
  serviceName: "service.name",
  httpStatus: "http.response.status_code",
} as const;

/** Of `error.type`, where there is no word for why something failed. */
export const OTHER = "_OTHER";

/** Our own. */
export const LEDGER = {
  eventId: "agent_ledger.event.id",
  runId: "agent_ledger.run.id",
  nodeId: "agent_ledger.node.id",
  runtime: "agent_ledger.runtime",
  depth: "agent_ledger.depth",
  /** By channel: `agent_ledger.budget.tokens`. */
  budget: "agent_ledger.budget",
  /** Of a child: done, down, cancelled, expired. */
  status: "agent_ledger.status",
  /** Of a run: winner, or no-winner. */
  outcome: "agent_ledger.outcome",
  /** Why a run has no result. */
  reason: "agent_ledger.reason",
  outRef: "agent_ledger.out_ref",
  valid: "agent_ledger.verdict.valid",
  score: "agent_ledger.verdict.score",
  infra: "agent_ledger.infra",
  downCount: "agent_ledger.down_count",
  /** Of a turn: driver-inference or driver-compaction. */
  kind: "agent_ledger.turn.kind",
  turn: "agent_ledger.turn.number",
  toolCalls: "agent_ledger.turn.tool_calls",
  /** The id of an earlier event of the same call, whose figures these take the place of. */
  corrects: "agent_ledger.corrects",
  /** The child was spawned in an earlier life of its run: when it began is not known here. */
  earlierLife: "agent_ledger.earlier_life",
  /** Nobody told of its end before that of its run. */
  leftOpen: "agent_ledger.left_open",
  /** Dollars; a number, the exact one is in the ledger. */
  usd: "agent_ledger.usage.usd",
  /** False: unknown, or where `agent_ledger.usage.usd` is there an estimate. */
  usdKnown: "agent_ledger.usage.usd_known",
  /** False: what is there is what was reported, and not all. */
  tokensKnown: "agent_ledger.usage.tokens_known",
  iterations: "agent_ledger.usage.iterations",
} as const;
