/** The public surface of agent-ledger. */
export type { MigrateOptions } from "./database/migrate-options.js";
export type * from "./database/schema.generated.js";
export { type Artifact, ArtifactError, type ArtifactProblem } from "./ledger/artifacts.js";
export {
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
export type { PriceMatch, PriceRow, PutPricesOptions, TokenClass } from "./ledger/prices.js";
export type { Amount, Answer, Budget, Operation, Result, Shortfall, Spend, Violation } from "./ledger/protocol.js";
export type { Readout } from "./ledger/readout.js";
export type { Settlement } from "./ledger/replay.js";
export { spendFrom, type UsageEvent } from "./ledger/spend.js";
export type { TransactionLedger, Work } from "./ledger/transaction.js";
