/** The public surface of agent-ledger. */

export { ledgerMiddleware, meterModel } from "./ai-sdk/middleware.js";
export { type AnthropicClient, type MeterAnthropicOptions, meterAnthropic } from "./clients/anthropic.js";
export { type MeterOpenAIOptions, meterOpenAI, type OpenAIClient } from "./clients/openai.js";
export type { MigrateOptions } from "./database/migrate-options.js";
export type * from "./database/schema.generated.js";
export { type Artifact, ArtifactError, type ArtifactProblem } from "./ledger/artifacts.js";
export {
  type AnnounceOptions,
  BudgetPool,
  type CancelOptions,
  DEFAULT_LEASE_MS,
  type ObserveOptions,
  type PlainOptions,
  type Reconciled,
  type ReconcileOptions,
  type Refusal,
  type Reservation,
  type ReserveOptions,
  type Ticket,
} from "./ledger/budget-pool.js";
export { LedgerError } from "./ledger/errors.js";
export type { CallTokens } from "./ledger/estimate.js";
export type { GateOptions, RegisteredPlan, RegisterPlanOptions } from "./ledger/experiments.js";
export type { EventsOptions, LedgerEvent } from "./ledger/feed.js";
export type {
  ArmComparison,
  ArmOutcomes,
  GateArm,
  GateCost,
  GatePlan,
  GateReason,
  GateRow,
  LeftOutRun,
  TaskGateRow,
  Verdict,
} from "./ledger/gate-rows.js";
export { createLedger, type Ledger, type LedgerOptions, type LedgerStatistics } from "./ledger/ledger.js";
export type { OpenPoolOptions } from "./ledger/open-pool.js";
export type { Grouping } from "./ledger/options.js";
export type { PriceMatch, PriceRow, PutPricesOptions, TokenClass } from "./ledger/prices.js";
export type {
  Amount,
  Answer,
  Budget,
  Operation,
  Result,
  Shortfall,
  Spend,
  ToolCall,
  ToolResult,
  ToolStatus,
  Violation,
} from "./ledger/protocol.js";
export type { Readout } from "./ledger/readout.js";
export type { Settlement } from "./ledger/replay.js";
export { spendFrom, type UsageEvent } from "./ledger/spend.js";
export type { TransactionLedger, Work } from "./ledger/transaction.js";
export type { WaitOptions } from "./ledger/waiting.js";
export type { ApplyOptions } from "./ledger/writer.js";
export { createLedgerMcpServer, type LedgerMcpOptions } from "./mcp/server.js";
export { CallRefusedError } from "./metering/call-refused.js";
export {
  beginCall,
  type CallAsked,
  type MeteredCall,
  type MeteredReport,
  type MeteringOptions,
  type ToolMade,
  type ToolOutcome,
} from "./metering/metered-call.js";
export { type TracingOptions, tracedSupervisor } from "./otel/traced-supervisor.js";
export {
  type Agent,
  type DriverChild,
  driverChild,
  type Spawnable,
  type Worker,
  type WorkerContext,
} from "./supervise/agent.js";
export {
  type ChatAnswer,
  ChatError,
  type ChatMessage,
  type ChatRequest,
  type ChatTool,
  type ChatToolCall,
  type ChatUsage,
  type DriverChat,
} from "./supervise/driver/chat.js";
export type { Compaction } from "./supervise/driver/compaction.js";
export {
  type CoordinationTools,
  type CoordinationToolsOptions,
  createCoordinationTools,
} from "./supervise/driver/coordination-tools.js";
export { coordinationDriverAgent, DriverError } from "./supervise/driver/driver.js";
export type { CoordinationDriverOptions } from "./supervise/driver/driver-options.js";
export type { ResultCheck } from "./supervise/driver/ending-tools.js";
export {
  type ScriptedAnswer,
  type ScriptedChat,
  type ScriptLine,
  scriptedChat,
} from "./supervise/driver/scripted-chat.js";
export type { ChatToolImplementation, ToolError } from "./supervise/driver/tool.js";
export type { Instruction, Profile } from "./supervise/driver/worker-tools.js";
export type { Executor, ExecutorProgress, ExecutorResult, Verdict as WorkVerdict } from "./supervise/executor.js";
export { type StreamedResult, streamingWorker, worker } from "./supervise/executors.js";
export type { Hook, HookEvent } from "./supervise/hooks.js";
export type { Finding, Mailbox, Question, Reply, Urgency } from "./supervise/mailbox.js";
export type * from "./supervise/result.js";
export { routerDriverChat } from "./supervise/router/chat.js";
export type { RouterChatOptions } from "./supervise/router/options.js";
export type {
  Child,
  Metered,
  PerWorker,
  Progress,
  Scope,
  SpawnOptions,
  TreeNode,
  TurnDetail,
  Turns,
} from "./supervise/scope.js";
export type { Done, Down, Handle, Pending, ScopeRefusal, Settled, Spawned, Spent } from "./supervise/settled.js";
export { createSupervisor, type RunOptions, type Supervisor, type SupervisorOptions } from "./supervise/supervisor.js";
export { decodeToolPart, type ToolPartDecoder, toolPartDecoders } from "./supervise/traces/decoders.js";
export {
  type CallStreak,
  errorStreak,
  repeatedAction,
  type TraceCall,
  type TraceDetector,
} from "./supervise/traces/detectors.js";
export {
  createPushTraceSource,
  type PushTraceOptions,
  type PushTraceSource,
} from "./supervise/traces/push-source.js";
export type { ToolCounts, TraceFinding, TraceReport } from "./supervise/traces/report.js";
export {
  type SessionTraceOptions,
  sessionTraceSource,
  type TraceSession,
} from "./supervise/traces/session-source.js";
export type { OnTraceError, TraceSource } from "./supervise/traces/source.js";
export type { Harness, ToolSpan } from "./supervise/traces/span.js";
export { toolCallsOf } from "./supervise/traces/tool-calls.js";
export {
  type AnalyzeTraceOptions,
  analyzeTrace,
  type TraceWatch,
  type WatchTraceOptions,
  watchTrace,
} from "./supervise/traces/watch.js";
export { formatOf, priceProviderOf } from "./usage/providers.js";
export { readStream, reportOf, type StreamReading, usageOf } from "./usage/report.js";
export { type CallReport, type ToolAsked, USAGE_FORMATS, type UsageFormat } from "./usage/usage.js";
