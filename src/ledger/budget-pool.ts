/** A pool as a program uses it: reserve, do the work, reconcile; observe what already happened. */
import type { z } from "zod";
import { type Cap, capsOf } from "./caps.js";
import { LedgerError } from "./errors.js";
import { type CallTokens, estimate } from "./estimate.js";
import { newId } from "./ids.js";
import { anyKeys, split, waitOf } from "./operation-keys.js";
import type { Amount, Budget, Operation, Result, Shortfall, Spend, Violation } from "./protocol.js";
import { type Readout, readout } from "./readout.js";
import * as schemas from "./schemas.js";
import { operationSpend, spendFrom, type UsageEvent } from "./spend.js";
import { sendDone, sendOne, type Writer } from "./writer.js";

/** Options of each verb. All take `operationId` (a repetition is harmless), `effectiveAt`, `tags`; `signal`, `timeoutMs` end the wait (57014, 08007). */
export type ReserveOptions = z.input<typeof schemas.reserveOptions>;
export type ReconcileOptions = z.input<typeof schemas.reconcileOptions>;
export type ObserveOptions = z.input<typeof schemas.observeOptions>;
export type AnnounceOptions = z.input<typeof schemas.announceOptions>;
export type CancelOptions = z.input<typeof schemas.cancelOptions>;
export type PlainOptions = z.input<typeof schemas.plainOptions>;

/** A hold of this process until it is enforced by a lease somewhere else. */
export const DEFAULT_LEASE_MS = 15 * 60 * 1000;

/** A room that was had in a pool: one node with its hold. */
export interface Ticket {
  readonly nodeId: string;
  readonly poolId: string;
  /** Whether the node owns a pool of its own (`ledger.pool(ticket.nodeId)`); its spend is then computed from that pool. */
  readonly driver: boolean;
  /** True where this key's work is already done: nothing was reserved and nothing is to be settled. */
  readonly existing: boolean;
}

/** A business no, and what was short. */
export interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly shortfall: readonly Shortfall[];
}

/** A ticket, or why not. */
export type Reservation = { readonly ok: true; readonly ticket: Ticket } | Refusal;

/** What a settlement booked. */
export interface Reconciled {
  readonly seq: number | null;
  /** What a later correction names: `{ op: "correct", of: operationId, spend, reason }`. */
  readonly operationId: string;
  /** The spend as booked, in the view's columns. */
  readonly spend: Readonly<Record<string, unknown>>;
  /** Ceilings it passed. The truth is booked all the same. */
  readonly violations: readonly Violation[];
}

/** One pool. It keeps no balance: every verb is a call, every readout a read. */
export class BudgetPool {
  readonly #writer: Writer;
  readonly tenantId: string;
  readonly poolId: string;
  #caps: Promise<Readonly<Record<string, Cap>>> | undefined;

  constructor(writer: Writer, poolId: string) {
    this.#writer = writer;
    this.tenantId = writer.tenantId;
    this.poolId = poolId;
  }

  /**
   * Reserves ceilings for a child. The hold has a lease (15 minutes unless said otherwise), renewed while this process lives
   * (`renew: false`: never); `leaseMs: null` makes one without. `key` makes a repetition find the child that is done: it stands for `taskRef` where that is
   * given (`sha256:<hex>` of the task), which is then all that must be the same; else for label and budget.
   * @throws {LedgerError} LG001, LG002; a refusal is an answer.
   */
  async reserve(budget: Budget, options: ReserveOptions): Promise<Reservation> {
    const {
      label,
      nodeId,
      key,
      taskRef,
      runtime,
      driver,
      leaseMs = DEFAULT_LEASE_MS,
      renew = true,
      ...any
    } = schemas.parse(schemas.reserveOptions, options, "options");
    const { code, result } = await this.#send("spawn", any, {
      label,
      budget: schemas.parse(schemas.budget, budget, "budget"),
      node_id: nodeId,
      key,
      task_ref: taskRef,
      runtime,
      driver,
      lease_ms: leaseMs ?? undefined,
    });
    if (code !== null) return refusal(code, result);
    const ticket = {
      nodeId: result.node_id ?? "",
      poolId: this.poolId,
      driver: driver ?? false,
      existing: result.existing ?? false,
    };
    if (leaseMs !== null && renew && !ticket.existing) this.#writer.leases?.keep({ ...ticket, leaseMs });
    return { ok: true, ticket };
  }

  /** Records that from here on the provider may bill: a lost child is then charged its ceiling. */
  async dispatch(ticket: Ticket, options: PlainOptions = {}): Promise<void> {
    await this.#do("dispatch", schemas.parse(schemas.plainOptions, options, "options"), { node_id: ticket.nodeId });
  }

  /**
   * Settles a child with what it really spent; the rest of its hold is refunded. A driver's spend is computed from its pool: pass
   * null.
   * @throws {LedgerError} LG001, LG003, LG004 (settled already), LG007 (the driver has open children).
   */
  async reconcile(
    ticket: Pick<Ticket, "nodeId">,
    spend: (Spend & { readonly iterations: Amount }) | null,
    options: ReconcileOptions = {},
  ): Promise<Reconciled> {
    const {
      outcome = "done",
      verdict,
      outRef,
      reason,
      infra,
      ...rest
    } = schemas.parse(schemas.reconcileOptions, options, "options");
    const { any, call } = split(rest);
    const done = await this.#do("settle", any, {
      node_id: ticket.nodeId,
      outcome,
      spend: spend === null ? undefined : operationSpend(spend),
      verdict,
      out_ref: outRef,
      reason,
      infra,
      ...call,
    });
    this.#writer.leases?.drop(ticket.nodeId);
    return reconciled(done);
  }

  /** Ends a child that will not finish. Without a spend: refunded if never dispatched, else its ceiling is charged as uncertain. */
  async cancel(ticket: Pick<Ticket, "nodeId">, options: CancelOptions): Promise<Reconciled> {
    const { reason, spend, ...rest } = schemas.parse(schemas.cancelOptions, options, "options");
    const { any, call } = split(rest);
    const done = await this.#do("cancel", any, {
      node_id: ticket.nodeId,
      reason,
      spend: spend && operationSpend(spend as Spend),
      ...call,
    });
    this.#writer.leases?.drop(ticket.nodeId);
    return reconciled(done);
  }

  /**
   * Books what already happened, such as the driver's own model call: `free` to `committed`, never refused for lack of funds.
   * Iterations are 0 unless said otherwise, because they budget the rounds of children.
   */
  async observe(
    spend: Spend,
    options: ObserveOptions = {},
  ): Promise<{ readonly seq: number | null; readonly operationId: string }> {
    const { turn, ...rest } = schemas.parse(schemas.observeOptions, options, "options");
    const { any, call } = split(rest);
    const { result, operationId } = await this.#do("meter", any, {
      spend: operationSpend(spend, { iterations: 0 }),
      turn,
      ...call,
    });
    return { seq: result.seq ?? null, operationId };
  }

  /**
   * Announces a call of the driver's own before the provider can bill it: a call that is lost is then seen
   * (`ledger.calls_in_doubt`). Answers the id to meter it under: `observe(spend, { operationId: meterId })` ends the doubt. No balance moves.
   * @throws {LedgerError} LG001 (`meterId` must differ from `operationId`), LG002; `pool-closed` where the driver has ended.
   */
  async announce(options: AnnounceOptions = {}): Promise<string> {
    const {
      meterId = newId(),
      turn,
      provider,
      model,
      purpose,
      detail,
      ...any
    } = schemas.parse(schemas.announceOptions, options, "options");
    await this.#do("dispatch", any, { meter_id: meterId, turn, provider, model, purpose, detail });
    return meterId;
  }

  /**
   * Renews no lease of what this client holds in the pool and below it any more: what is not settled by then ends with its lease.
   * Nothing is sent.
   */
  letLapse(): void {
    this.#writer.leases?.leave(this.poolId);
  }

  /** Folds the usage events of an executor into one spend. */
  spendFrom(events: Iterable<UsageEvent>): Spend & { readonly iterations: number } {
    return spendFrom(events);
  }

  /**
   * What a call with so many tokens would cost by the price book in use now, in dollars; null = unknown.
   * @throws {LedgerError} LG001.
   */
  estimate(call: CallTokens): Promise<string | null> {
    return estimate(this.#writer, call);
  }

  /** Balances and deadline now. */
  readout(): Promise<Readout> {
    return readout(this.#writer, this.poolId);
  }

  /** Who caps each channel, which is fixed when the pool opens: read once. @throws {LedgerError} LG002. */
  caps(): Promise<Readonly<Record<string, Cap>>> {
    this.#caps ??= capsOf(this.#writer, this.poolId).catch((error: unknown): never => {
      this.#caps = undefined;
      throw error;
    });
    return this.#caps;
  }

  /**
   * Fails while a child of this pool is open.
   * @throws {LedgerError} LG007, with the open nodes in `detail.nodes` (twenty at most).
   */
  async assertNoOpenTickets(): Promise<void> {
    const { db, tenantId, read } = this.#writer;
    const query = db
      .selectFrom("nodes")
      .where("tenant_id", "=", tenantId)
      .where("parent_node_id", "=", this.poolId)
      .where("status", "in", ["pending", "dispatched"])
      .orderBy("node_id")
      .limit(20)
      .select("node_id");
    const nodes = await read(() => query.execute());
    if (nodes.length === 0) return;
    const open = nodes.map(({ node_id }) => node_id);
    throw new LedgerError("LG007", `${this.poolId} has open children: ${open.join(", ")}`, {
      detail: { pool_id: this.poolId, nodes: open },
    });
  }

  /** Adds to totals, or takes away what is free. Refused with `not-free`, `pool-closed`. */
  async fund(
    amounts: Readonly<Record<string, Amount>>,
    options: PlainOptions = {},
  ): Promise<{ readonly ok: true } | Refusal> {
    const { code, result } = await this.#send("fund", schemas.parse(schemas.plainOptions, options, "options"), {
      amounts: schemas.parse(schemas.amounts, amounts, "amounts"),
    });
    return code === null ? { ok: true } : refusal(code, result);
  }

  /**
   * Closes the pool; under a parent what is free goes back there, by channel.
   * @throws {LedgerError} LG007 over open holds.
   */
  async close(options: PlainOptions = {}): Promise<{ readonly returned: Readonly<Record<string, string>> }> {
    const { result } = await this.#do("close_pool", schemas.parse(schemas.plainOptions, options, "options"), {});
    return { returned: result.returned ?? {} };
  }

  async #do(
    op: string,
    any: PlainOptions,
    keys: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly result: Result; readonly operationId: string }> {
    const operation = this.#operation(op, any, keys);
    const { result } = await sendDone(this.#writer, operation, { ...waitOf(any), lane: this.poolId });
    return { result, operationId: operation.operation_id };
  }

  #send(op: string, any: PlainOptions, keys: Readonly<Record<string, unknown>>): ReturnType<typeof sendOne> {
    return sendOne(this.#writer, this.#operation(op, any, keys), { ...waitOf(any), lane: this.poolId });
  }

  #operation(op: string, any: PlainOptions, keys: Readonly<Record<string, unknown>>): Operation {
    const named = "node_id" in keys && op !== "spawn" ? keys : { pool_id: this.poolId, ...keys };
    return { op, operation_id: any.operationId ?? newId(), ...anyKeys(any), ...named };
  }
}

function refusal(code: string, { shortfall = [] }: Result): Refusal {
  return { ok: false, code, shortfall };
}

function reconciled({ result, operationId }: { result: Result; operationId: string }): Reconciled {
  return { seq: result.seq ?? null, operationId, spend: result.spend ?? {}, violations: result.violations ?? [] };
}
