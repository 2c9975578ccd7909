/**
 * What the views of schema `ledger` answer, over connections whose 64-bit integers, numerics and dates stay text.
 *
 * Generated from the database by `npm run db:snapshot` (view-types.ts); a test fails when it is stale.
 */

/** What has left the journal for the archive: stretches of seq, sums per channel, the digest of the export. */
export interface ArchivesRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly first_seq: string;
  readonly last_seq: string;
  readonly run_id: string;
  readonly events: string;
  readonly lines: string;
  readonly sums: unknown;
  readonly export_digest: string;
  readonly archived_at: Date;
  readonly archived_by: string;
}

/** What the arms of experiments cost, over the runs that count. */
export interface ArmCostsRow {
  readonly tenant_id: string;
  readonly experiment: string;
  readonly arm: string;
  readonly runs: string;
  readonly left_out_runs: string;
  readonly iterations: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly reasoning_tokens: string;
  readonly charged_tokens: string;
  readonly usd: string;
  readonly ms: string;
  readonly uncertain_tokens: string;
  readonly uncertain_iterations: string;
  readonly uncertain_usd: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  readonly receipt_usd: string;
  readonly estimated_usd: string;
  readonly unknown_usd_events: string;
  readonly unknown_tokens_events: string;
  readonly open_holds: string;
  /** null: mixed, its runs count tokens in different units */
  readonly token_charge: "total" | "uncached" | null;
  readonly resolved_runs: string;
  readonly judged_runs: string;
  readonly errored_runs: string;
  readonly left_out_charged_tokens: string;
  readonly left_out_usd: string;
}

/** What is wrong: tenant, pool, rule, detail. Zero rows = healthy. */
export interface AuditRow {
  readonly tenant_id: string;
  /** null: of the tenant as a whole */
  readonly pool_id: string | null;
  readonly rule: string;
  readonly detail: unknown;
}

/** Artifacts: sha256:<hex> of the bytes, and the bytes. */
export interface BlobsRow {
  readonly tenant_id: string;
  readonly blob_id: string;
  readonly bytes: number;
  readonly body: Buffer;
  readonly stored_at: Date;
}

/** Calls of drivers that were announced and not metered. */
export interface CallsInDoubtRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly pool_id: string;
  readonly seq: string;
  readonly meter_id: string;
  /** null: not stated */
  readonly turn: number | null;
  /** null: not stated */
  readonly purpose: "turn" | "compaction" | "failed" | "tool" | null;
  /** null: not stated */
  readonly provider: string | null;
  /** null: not stated */
  readonly model: string | null;
  /** null: none */
  readonly detail: unknown;
  readonly dispatched_at: Date;
}

/** Balances now: total = free + reserved + committed where capped. */
export interface ChannelsRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly channel: string;
  /** null: none named */
  readonly unit: string | null;
  readonly capped: boolean;
  /** null: uncapped */
  readonly total: string | null;
  /** null: uncapped */
  readonly free: string | null;
  readonly reserved: string;
  readonly committed: string;
  readonly uncertain: string;
  readonly measured: boolean;
  readonly sealed: boolean;
  /** null: nobody pays */
  readonly payer_pool_id: string | null;
}

/** One row per tenant: what is open, what waits, and what of its spend is unknown or uncertain. */
export interface HealthRow {
  readonly tenant_id: string;
  readonly open_pools: string;
  readonly sealed_channels: string;
  readonly frozen_pools: string;
  readonly open_holds: string;
  /** null: no open hold */
  readonly oldest_hold_at: Date | null;
  /** null: no open hold */
  readonly oldest_hold_node_id: string | null;
  /** null: no open hold */
  readonly oldest_hold_ms: string | null;
  readonly leases_passed: string;
  readonly events: string;
  /** null: nothing was spent */
  readonly unknown_tokens_share: string | null;
  /** null: nothing was spent */
  readonly unknown_usd_share: string | null;
  /** null: no tokens were charged */
  readonly uncertain_tokens_share: string | null;
  /** null: no dollars were charged */
  readonly uncertain_usd_share: string | null;
  readonly refusals_24h: string;
  readonly retries_24h: string;
}

/** Every event, append-only, dense seq per pool. */
export interface JournalRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly seq: string;
  readonly kind:
    | "opened"
    | "funded"
    | "spawned"
    | "dispatched"
    | "extended"
    | "settled"
    | "cancelled"
    | "metered"
    | "delivered"
    | "corrected"
    | "expired"
    | "frozen"
    | "thawed"
    | "closed"
    | "judged"
    | "planned"
    | "drawn";
  readonly operation_id: string;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly node_id: string;
  /** null: not stated */
  readonly provider: string | null;
  /** null: not stated */
  readonly model: string | null;
  /** null: not stated */
  readonly provider_request_id: string | null;
  /** null: not stated */
  readonly purpose: "turn" | "compaction" | "failed" | "tool" | null;
  /** null: not stated */
  readonly turn: number | null;
  /** null: not stated */
  readonly tool_calls: unknown;
  /** null: none */
  readonly tags: unknown;
  /** null: nothing consumed */
  readonly iterations: string | null;
  /** null: nothing consumed */
  readonly input_tokens: string | null;
  /** null: nothing consumed */
  readonly output_tokens: string | null;
  /** null: nothing consumed */
  readonly cache_read_tokens: string | null;
  /** null: nothing consumed */
  readonly cache_write_tokens: string | null;
  /** null: nothing consumed */
  readonly reasoning_tokens: string | null;
  /** null: nothing consumed */
  readonly charged_tokens: string | null;
  /** null: nothing consumed, or unknown */
  readonly usd: string | null;
  /** null: nothing consumed */
  readonly ms: string | null;
  /** null: nothing consumed */
  readonly uncertain_tokens: string | null;
  /** null: nothing consumed */
  readonly uncertain_iterations: string | null;
  /** null: nothing consumed */
  readonly uncertain_usd: string | null;
  /** null: nothing consumed */
  readonly tokens_known: boolean | null;
  /** null: nothing consumed */
  readonly usd_known: boolean | null;
  /** null: none */
  readonly resources: unknown;
  /** null: none */
  readonly verdict: unknown;
  /** null: ends no node */
  readonly outcome: "done" | "down" | "cancelled" | "expired" | null;
  /** null: none */
  readonly out_ref: string | null;
  /** null: not stated */
  readonly reason: string | null;
  /** null: none */
  readonly detail: unknown;
  /** null: of this pool's own */
  readonly source_pool_id: string | null;
  /** null: of this pool's own */
  readonly source_seq: string | null;
  readonly effective_at: Date;
  readonly recorded_at: Date;
  readonly recorded_by: string;
  /** null: corrects nothing here */
  readonly corrects_seq: string | null;
  /** null: not stated */
  readonly infra: boolean | null;
  /** null: nothing consumed */
  readonly cache_write_1h_tokens: string | null;
}

/** Every node with status, hold, lease and end. */
export interface NodesRow {
  readonly tenant_id: string;
  readonly node_id: string;
  /** null: at the top */
  readonly parent_node_id: string | null;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly driver: boolean;
  readonly label: string;
  /** null: not stated */
  readonly runtime: string | null;
  /** null: none */
  readonly key: string | null;
  readonly status: "pending" | "dispatched" | "done" | "down" | "cancelled" | "expired";
  readonly budget: unknown;
  readonly hold: unknown;
  /** null: no lease, or ended without one of its own */
  readonly lease_at: Date | null;
  readonly lapsed: boolean;
  /** null: not delivered */
  readonly cursor: string | null;
  /** null: not ended */
  readonly outcome: string | null;
  /** null: none */
  readonly verdict: unknown;
  /** null: none */
  readonly out_ref: string | null;
  /** null: not stated */
  readonly reason: string | null;
  /** null: not stated */
  readonly infra: boolean | null;
  /** null: none */
  readonly tags: unknown;
  readonly spawned_at: Date;
  /** null: never dispatched */
  readonly dispatched_at: Date | null;
  /** null: not ended */
  readonly ended_at: Date | null;
  /** null: not stated */
  readonly task_ref: string | null;
  /** null: not ended, or at the top */
  readonly terminal_seq: string | null;
  readonly superseded: boolean;
}

/** Plans of experiments, as registered; the bytes are the blob of plan_ref. */
export interface PlansRow {
  readonly tenant_id: string;
  readonly experiment: string;
  readonly plan_ref: string;
  readonly pool_id: string;
  readonly seq: string;
  readonly registered_at: Date;
  readonly registered_by: string;
}

/** The last seq of each pool: what has moved. */
export interface PoolHeadsRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly seq: string;
  readonly open_holds: number;
  readonly undelivered: number;
  /** null: no open hold has a lease */
  readonly next_lease_at: Date | null;
}

/** Budgets: parent, run, state, limits and charge unit. */
export interface PoolsRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  /** null: at the top */
  readonly parent_pool_id: string | null;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly state: "open" | "frozen" | "closed";
  /** null: none */
  readonly deadline_at: Date | null;
  readonly unknown_usd: "seal" | "flag";
  readonly token_charge: "total" | "uncached";
  readonly depth: number;
  /** null: unbounded */
  readonly depth_left: number | null;
  /** null: none */
  readonly tags: unknown;
  readonly opened_at: Date;
}

/** What each event did to each channel: sums give any balance at any seq or time. */
export interface PostingsRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly seq: string;
  readonly kind:
    | "opened"
    | "funded"
    | "spawned"
    | "dispatched"
    | "extended"
    | "settled"
    | "cancelled"
    | "metered"
    | "delivered"
    | "corrected"
    | "expired"
    | "frozen"
    | "thawed"
    | "closed"
    | "judged"
    | "planned"
    | "drawn";
  readonly operation_id: string;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly node_id: string;
  readonly channel: string;
  readonly funded: string;
  readonly held: string;
  readonly spent: string;
  readonly uncertain: string;
  readonly effective_at: Date;
  readonly recorded_at: Date;
  readonly remainder: string;
}

/** Price books: how many prices, where from, which is current. */
export interface PriceBooksRow {
  readonly tenant_id: string;
  readonly book: string;
  /** null: not stated */
  readonly source: string | null;
  readonly prices: string;
  readonly current: boolean;
  readonly recorded_at: Date;
  readonly recorded_by: string;
}

/** Every call under every price book: usd beside what was booked. */
export interface PricedUsageRow {
  readonly tenant_id: string;
  readonly book: string;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly pool_id: string;
  readonly seq: string;
  readonly node_id: string;
  /** null: not stated */
  readonly provider: string | null;
  /** null: not stated */
  readonly model: string | null;
  /** null: not stated */
  readonly provider_request_id: string | null;
  /** null: not stated */
  readonly purpose: "turn" | "compaction" | "failed" | "tool" | null;
  readonly effective_at: Date;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly cache_write_1h_tokens: string;
  readonly reasoning_tokens: string;
  readonly tokens_known: boolean;
  /** null: unknown, nothing was charged */
  readonly booked_usd: string | null;
  readonly booked_usd_known: boolean;
  /** null: the book cannot tell */
  readonly usd: string | null;
}

/** Price per provider, model, token class, size of the call and time. */
export interface PricesRow {
  readonly tenant_id: string;
  readonly book: string;
  readonly provider: string;
  readonly match: "exact" | "dated" | "prefix" | "contains";
  readonly model: string;
  readonly token_class: "input" | "cache_read" | "cache_write" | "cache_write_1h" | "output" | "reasoning" | "request";
  readonly above_input_tokens: string;
  /** null: since ever */
  readonly valid_from: Date | null;
  /** null: until further notice */
  readonly valid_to: Date | null;
  readonly usd_per_million: string;
  /** null: not stated */
  readonly source: string | null;
}

/** Refused operations: pool, label, reason, shortfall, when. */
export interface RefusalsRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly operation_id: string;
  /** null: no spawn */
  readonly label: string | null;
  readonly code:
    | "key-conflict"
    | "duplicate-key"
    | "pool-closed"
    | "pool-frozen"
    | "deadline-passed"
    | "depth-exceeded"
    | "usd-sealed"
    | "usd-unbudgeted"
    | "budget-exhausted"
    | "not-free";
  readonly shortfall: unknown;
  readonly at: Date;
}

/** What each run of an experiment cost, and whether it counts. */
export interface RunCostsRow {
  readonly tenant_id: string;
  readonly experiment: string;
  readonly arm: string;
  /** null: not stated */
  readonly task: string | null;
  /** null: not stated */
  readonly replicate: string | null;
  readonly run_id: string;
  /** null: it counts; infra: judged so; paired: an infra run has the same task and replicate */
  readonly left_out: string | null;
  /** null: not ended */
  readonly outcome: string | null;
  /** null: not judged */
  readonly resolved: boolean | null;
  readonly opened_at: Date;
  readonly token_charge: "total" | "uncached";
  readonly iterations: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly reasoning_tokens: string;
  readonly charged_tokens: string;
  readonly usd: string;
  readonly ms: string;
  readonly uncertain_tokens: string;
  readonly uncertain_iterations: string;
  readonly uncertain_usd: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  readonly receipt_usd: string;
  readonly estimated_usd: string;
  readonly unknown_usd_events: string;
  readonly unknown_tokens_events: string;
  readonly open_holds: string;
  /** null: nothing spent */
  readonly first_spend_at: Date | null;
}

/** What each run would cost under each price book. */
export interface RunPricesRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly book: string;
  readonly calls: string;
  readonly unpriced_calls: string;
  /** null: the book can price none of its calls */
  readonly usd: string | null;
  readonly usd_known: boolean;
  /** null: nothing of it is known */
  readonly booked_usd: string | null;
  readonly booked_usd_known: boolean;
}

/** Runs: label, experiment, outcome, judgement. */
export interface RunsRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly label: string;
  /** null: in none */
  readonly experiment: string | null;
  /** null: in no experiment */
  readonly arm: string | null;
  /** null: not stated */
  readonly task: string | null;
  /** null: not stated */
  readonly replicate: string | null;
  /** null: not ended */
  readonly outcome: "done" | "down" | "cancelled" | null;
  /** null: none */
  readonly verdict: unknown;
  /** null: none */
  readonly out_ref: string | null;
  /** null: not stated */
  readonly reason: string | null;
  readonly infra: boolean;
  /** null: not judged */
  readonly resolved: boolean | null;
  /** null: not judged, or without one */
  readonly score: string | null;
  readonly opened_at: Date;
  /** null: not judged */
  readonly judged_at: Date | null;
}

/** Children of runs that have ended, with their artifact and their place in the order of delivery. */
export interface SettlementsRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly pool_id: string;
  readonly node_id: string;
  readonly seq: string;
  /** null: not delivered */
  readonly cursor: string | null;
  /** null: not delivered */
  readonly delivered_at: Date | null;
  /** null: not delivered */
  readonly delivered_seq: string | null;
  readonly label: string;
  /** null: not stated */
  readonly runtime: string | null;
  /** null: none */
  readonly key: string | null;
  readonly driver: boolean;
  readonly outcome: string;
  readonly late: boolean;
  /** null: none */
  readonly out_ref: string | null;
  /** null: none */
  readonly verdict: unknown;
  /** null: not stated */
  readonly reason: string | null;
  /** null: not stated */
  readonly infra: boolean | null;
  readonly iterations: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly reasoning_tokens: string;
  readonly charged_tokens: string;
  /** null: unknown */
  readonly usd: string | null;
  readonly ms: string;
  readonly uncertain_tokens: string;
  readonly uncertain_iterations: string;
  readonly uncertain_usd: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  /** null: none */
  readonly resources: unknown;
  readonly effective_at: Date;
  readonly recorded_at: Date;
}

/** Nodes of runs whose end or usage nobody has reported. */
export interface SpendGapsRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly node_id: string;
  readonly gap: string;
  readonly channels: string[];
}

/** Three rows per run: driver_inference, child_work, total. */
export interface SpentBreakdownRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly source: string;
  readonly iterations: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly reasoning_tokens: string;
  readonly charged_tokens: string;
  readonly usd: string;
  readonly ms: string;
  readonly uncertain_tokens: string;
  readonly uncertain_iterations: string;
  readonly uncertain_usd: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  readonly receipt_usd: string;
  readonly estimated_usd: string;
  readonly unknown_usd_events: string;
}

/** Tools that models called, one row per call: digest of its arguments, and what became of it. */
export interface ToolCallsRow {
  readonly tenant_id: string;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly pool_id: string;
  readonly node_id: string;
  readonly seq: string;
  readonly position: number;
  readonly tool: string;
  /** null: not stated */
  readonly call_id: string | null;
  /** null: not stated */
  readonly arguments: string | null;
  /** null: not known */
  readonly status: string | null;
  /** null: not stated */
  readonly purpose: "turn" | "compaction" | "failed" | "tool" | null;
  /** null: not stated */
  readonly model: string | null;
  readonly effective_at: Date;
}

/** Tool calls that repeat themselves or fail in a row: at a streak of 3 and at each doubling. */
export interface ToolFindingsRow {
  readonly tenant_id: string;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly pool_id: string;
  readonly detector: string;
  /** null: errors of several tools */
  readonly tool: string | null;
  /** null: errors, whatever the arguments */
  readonly arguments: string | null;
  readonly streak: string;
  readonly first_seq: string;
  readonly seq: string;
  readonly position: number;
  readonly effective_at: Date;
}

/** The tree of each run with own and rolled-up spend. */
export interface TrajectoryRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly node_id: string;
  /** null: at the top */
  readonly parent_node_id: string | null;
  readonly depth: number;
  readonly path: string[];
  readonly label: string;
  /** null: not stated */
  readonly runtime: string | null;
  readonly status: "pending" | "dispatched" | "done" | "down" | "cancelled" | "expired";
  readonly own_iterations: string;
  readonly own_input_tokens: string;
  readonly own_output_tokens: string;
  readonly own_cache_read_tokens: string;
  readonly own_cache_write_tokens: string;
  readonly own_reasoning_tokens: string;
  readonly own_charged_tokens: string;
  readonly own_usd: string;
  readonly own_ms: string;
  readonly own_uncertain_tokens: string;
  readonly own_uncertain_iterations: string;
  readonly own_uncertain_usd: string;
  readonly rolled_up_iterations: string;
  readonly rolled_up_input_tokens: string;
  readonly rolled_up_output_tokens: string;
  readonly rolled_up_cache_read_tokens: string;
  readonly rolled_up_cache_write_tokens: string;
  readonly rolled_up_reasoning_tokens: string;
  readonly rolled_up_charged_tokens: string;
  readonly rolled_up_usd: string;
  readonly rolled_up_ms: string;
  readonly rolled_up_uncertain_tokens: string;
  readonly rolled_up_uncertain_iterations: string;
  readonly rolled_up_uncertain_usd: string;
  readonly rolled_up_tokens_known: boolean;
  readonly rolled_up_usd_known: boolean;
}

/** Usage of the turns in which a tool was called; a turn with several tools counts in each. */
export interface UsageByToolRow {
  readonly tenant_id: string;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly tool: string;
  readonly calls: string;
  readonly events: string;
  readonly charged_tokens: string;
  /** null: nothing of it is known */
  readonly usd: string | null;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  readonly first_at: Date;
  readonly last_at: Date;
}

/** Usage per day, provider, model, purpose and tags. */
export interface UsageDailyRow {
  readonly tenant_id: string;
  readonly day: string;
  /** null: not stated */
  readonly provider: string | null;
  /** null: not stated */
  readonly model: string | null;
  /** null: not stated */
  readonly purpose: "turn" | "compaction" | "failed" | "tool" | null;
  /** null: none */
  readonly tags: unknown;
  readonly lines: string;
  readonly iterations: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly reasoning_tokens: string;
  readonly charged_tokens: string;
  /** null: nothing of it is known */
  readonly usd: string | null;
  readonly ms: string;
  readonly uncertain_tokens: string;
  readonly uncertain_iterations: string;
  readonly uncertain_usd: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  readonly receipt_usd: string;
  readonly estimated_usd: string;
  readonly unknown_usd_events: string;
}

/** What prices and attribution read: one row per line, or per event without lines. */
export interface UsageLinesRow {
  readonly tenant_id: string;
  readonly pool_id: string;
  readonly seq: string;
  /** null: the event itself, or what its lines leave unexplained */
  readonly line: number | null;
  /** null: outside any run */
  readonly run_id: string | null;
  readonly node_id: string;
  readonly kind:
    | "opened"
    | "funded"
    | "spawned"
    | "dispatched"
    | "extended"
    | "settled"
    | "cancelled"
    | "metered"
    | "delivered"
    | "corrected"
    | "expired"
    | "frozen"
    | "thawed"
    | "closed"
    | "judged"
    | "planned"
    | "drawn";
  readonly operation_id: string;
  /** null: not stated */
  readonly provider: string | null;
  /** null: not stated */
  readonly model: string | null;
  /** null: not stated */
  readonly provider_request_id: string | null;
  /** null: not stated */
  readonly purpose: "turn" | "compaction" | "failed" | "tool" | null;
  /** null: none */
  readonly tags: unknown;
  readonly iterations: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cache_read_tokens: string;
  readonly cache_write_tokens: string;
  readonly reasoning_tokens: string;
  readonly charged_tokens: string;
  /** null: unknown */
  readonly usd: string | null;
  readonly ms: string;
  readonly uncertain_tokens: string;
  readonly uncertain_iterations: string;
  readonly uncertain_usd: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  /** null: none */
  readonly resources: unknown;
  readonly effective_at: Date;
  readonly recorded_at: Date;
  readonly cache_write_1h_tokens: string;
}

/** Every view by its name. */
export interface LedgerViews {
  readonly archives: ArchivesRow;
  readonly arm_costs: ArmCostsRow;
  readonly audit: AuditRow;
  readonly blobs: BlobsRow;
  readonly calls_in_doubt: CallsInDoubtRow;
  readonly channels: ChannelsRow;
  readonly health: HealthRow;
  readonly journal: JournalRow;
  readonly nodes: NodesRow;
  readonly plans: PlansRow;
  readonly pool_heads: PoolHeadsRow;
  readonly pools: PoolsRow;
  readonly postings: PostingsRow;
  readonly price_books: PriceBooksRow;
  readonly priced_usage: PricedUsageRow;
  readonly prices: PricesRow;
  readonly refusals: RefusalsRow;
  readonly run_costs: RunCostsRow;
  readonly run_prices: RunPricesRow;
  readonly runs: RunsRow;
  readonly settlements: SettlementsRow;
  readonly spend_gaps: SpendGapsRow;
  readonly spent_breakdown: SpentBreakdownRow;
  readonly tool_calls: ToolCallsRow;
  readonly tool_findings: ToolFindingsRow;
  readonly trajectory: TrajectoryRow;
  readonly usage_by_tool: UsageByToolRow;
  readonly usage_daily: UsageDailyRow;
  readonly usage_lines: UsageLinesRow;
}
