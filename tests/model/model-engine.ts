/**
 * The vectors' view of the reference model. Its clock stands still except when a scenario sleeps.
 */
import type { Answer, Engine, Operation, Row } from "../vectors/steps.js";
import { auditOf } from "./audit.js";
import { equalKOf } from "./gates.js";
import { ModelLedger } from "./ledger.js";
import { breakdownOf, trajectoryOf } from "./reports.js";
import { breakdownRow, channelRow, trajectoryRow } from "./rows.js";

export class ModelEngine implements Engine {
  readonly ledger = new ModelLedger();
  private now = Date.now();

  async apply(operations: readonly Operation[], { atomic }: { atomic: boolean }): Promise<Answer[]> {
    return this.ledger.applyAll(operations, this.now, atomic).map((verdict, position) => ({ position, ...verdict }));
  }

  async channels(poolId: string): Promise<Record<string, Row>> {
    const channels = this.ledger.state.pools.get(poolId)?.channels ?? new Map();
    return Object.fromEntries([...channels.values()].map((one) => [one.name, channelRow(one)]));
  }

  async breakdown(runId: string): Promise<Record<string, Row>> {
    const sources = Object.entries(breakdownOf(this.ledger.state, runId));
    return Object.fromEntries(sources.map(([source, report]) => [source, breakdownRow(report)]));
  }

  async trajectory(runId: string): Promise<Record<string, Row>> {
    const rows = trajectoryOf(this.ledger.state, runId);
    return Object.fromEntries(rows.map((row) => [row.node.id, trajectoryRow(row)]));
  }

  async journalKinds(poolId: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const row of this.ledger.state.journal) {
      if (row.poolId === poolId) counts[row.kind] = (counts[row.kind] ?? 0) + 1;
    }
    return counts;
  }

  async refusals(poolId: string): Promise<number> {
    return this.ledger.state.refusals.filter((refusal) => refusal.poolId === poolId).length;
  }

  async equalK(experiment: string, tolerance?: number | string): Promise<Record<string, Row>> {
    return equalKOf(this.ledger.state, experiment, tolerance);
  }

  async audit(): Promise<Row[]> {
    return auditOf(this.ledger.state).map((finding) => ({ ...finding }));
  }

  async sleep(ms: number): Promise<void> {
    this.now += ms;
  }
}
