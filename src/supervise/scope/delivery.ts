/** Settlements of one pool, each exactly once: the ledger hands out places, and what it handed out is read until it was told. */

import { errorOf, LedgerError } from "../../ledger/errors.js";
import { newId } from "../../ledger/ids.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Settled } from "../settled.js";
import { doneOf, downReasonOf, endOf, handleOf, infraOf, spentOf } from "./reading.js";

interface Handed {
  readonly nodeId: string;
  readonly seq: number;
}

export class Delivery {
  /** Asked for and never answered: asked again under the same id, the same settlement comes. */
  readonly #unanswered: string[] = [];
  /** Handed out by the ledger, and not told yet because reading failed. */
  readonly #untold: Handed[] = [];

  constructor(
    private readonly ledger: Ledger,
    private readonly poolId: string,
  ) {}

  /**
   * The next settlement that is there; undefined where none waits.
   * @throws {LedgerError} where the ledger cannot be reached: nothing is lost, ask again.
   * @throws {ArtifactError} where the artifact of the settlement is missing or corrupted.
   */
  async take(): Promise<Settled | undefined> {
    const handed = this.#untold.shift() ?? (await this.#deliver());
    if (!handed) return undefined;
    try {
      return await this.#settled(handed);
    } catch (error) {
      if (error instanceof LedgerError) this.#untold.push(handed);
      throw error;
    }
  }

  async #deliver(): Promise<Handed | undefined> {
    const again = this.#unanswered.shift();
    const handed = again === undefined ? undefined : await this.#ask(again);
    // Asked then, the ledger may have had none; it may have one now.
    return handed ?? this.#ask(newId());
  }

  async #ask(operationId: string): Promise<Handed | undefined> {
    const operation = { op: "deliver", operation_id: operationId, pool_id: this.poolId };
    const [answer] = await this.ledger.apply([operation]).catch((error: unknown): never => {
      this.#unanswered.push(operationId);
      throw error;
    });
    if (answer?.status === "error") throw errorOf(answer, operationId);
    const { node_id, cursor } = answer?.result ?? {};
    return node_id ? { nodeId: node_id, seq: Number(cursor) } : undefined;
  }

  async #settled({ nodeId, seq }: Handed): Promise<Settled> {
    const end = await endOf(this.ledger, this.poolId, nodeId);
    const { node, spent } = end;
    if (node.status === "done") return { ...(await doneOf(this.ledger, end)), seq };
    const down = { handle: handleOf(node), reason: downReasonOf(node), infra: infraOf(node) };
    return { kind: "down", ...down, spent: spent ?? spentOf({}), seq };
  }
}
