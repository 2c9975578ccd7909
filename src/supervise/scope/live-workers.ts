/** How many leaf workers of a run are at work: those of this process, and those of an earlier life that have not ended. */
import type { Ledger } from "../../ledger/ledger.js";

/** Drivers do not count: they would starve their own workers. */
export class LiveWorkers {
  #here = 0;
  /** Leaves that were open before this process made its first. */
  #earlier: Promise<Set<string>> | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly runId: string,
    private readonly most: number | undefined,
  ) {}

  /** Takes a place; false where none is free. */
  async take(): Promise<boolean> {
    const { most } = this;
    if (most !== undefined) {
      this.#earlier ??= this.#open();
      const earlier = await this.#earlier.catch((error: unknown): never => {
        this.#earlier = undefined;
        throw error;
      });
      if (this.#here + earlier.size >= most && earlier.size > 0) {
        const open = await this.#open([...earlier]);
        for (const nodeId of earlier) if (!open.has(nodeId)) earlier.delete(nodeId);
      }
      if (this.#here + earlier.size >= most) return false;
    }
    this.#here += 1;
    return true;
  }

  /** Gives a place back. */
  release(): void {
    this.#here -= 1;
  }

  async #open(among?: readonly string[]): Promise<Set<string>> {
    const { ledger, runId } = this;
    let query = ledger.db
      .selectFrom("nodes")
      .select("node_id")
      .where("tenant_id", "=", ledger.tenantId)
      .where("run_id", "=", runId)
      .where("driver", "=", false)
      .where("status", "in", ["pending", "dispatched"]);
    if (among) query = query.where("node_id", "in", among);
    return new Set((await ledger.read(() => query.execute())).map(({ node_id }) => node_id));
  }
}
