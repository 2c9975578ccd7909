/**
 * Events that another pool is the source of, and who pays for a channel. Sources and payers must be pools of the file: only the parent of
 * an exported run is outside it.
 *
 * - `source-of-wrong-kind`: only `opened`, `settled`, `cancelled`, `corrected` and `drawn` rows have a source; spend is else a pool's own.
 * - `source-missing`: a `drawn` row, or the end of a node that owns a pool, has none.
 * - `source-of-no-pool`: the file has no pool of that id.
 * - `source-differs-from-tree`: an `opened` row comes from the parent, a settlement and what follows it from the child that it names.
 * - `payer-differs-from-tree`: a capped channel pays for itself, any other is paid for by who pays for it in the parent.
 */
import type { Findings } from "./findings.js";
import type { Place } from "./journal.js";
import type { PoolBook } from "./pool-book.js";
import type { EventLine } from "./shapes.js";

const FROM_BELOW: ReadonlySet<string> = new Set(["settled", "cancelled", "corrected", "drawn"]);
const ENDINGS: ReadonlySet<string> = new Set(["settled", "cancelled", "expired"]);

type Pools = ReadonlyMap<string, PoolBook>;

/** Checks where an event says that it comes from. */
export function checkSource(event: EventLine, book: PoolBook, pools: Pools, place: Place, findings: Findings): void {
  const { kind, node_id, pool_id, source_pool_id: source } = event;
  if (source === undefined) {
    if (kind === "drawn" || (ENDINGS.has(kind) && pools.has(node_id ?? ""))) {
      findings.add("source-missing", place, `${kind} of a pool below, but of none that it names`);
    }
  } else if (kind === "opened") {
    const parent = book.line.parent_pool_id;
    if (source !== parent)
      findings.add("source-differs-from-tree", place, `${source}, the parent is ${parent ?? "none"}`);
  } else if (!FROM_BELOW.has(kind)) {
    findings.add("source-of-wrong-kind", place, `${kind} is of its own pool, not of ${source}`);
  } else if (!pools.has(source)) {
    findings.add("source-of-no-pool", place, `the file has no pool ${source}`);
  } else if (kind !== "drawn" && (source !== node_id || pools.get(source)?.line.parent_pool_id !== pool_id)) {
    findings.add("source-differs-from-tree", place, `${source} is not the child that ended`);
  }
}

/** Checks who pays for the channels of a pool. */
export function checkPayers({ line, number, channels }: PoolBook, pools: Pools, findings: Findings): void {
  const { pool_id, parent_pool_id: parent } = line;
  const above = pools.get(parent ?? "");
  for (const [name, { line: channel }] of channels) {
    const payer = channel.payer_pool_id;
    const add = (should: string): void => {
      const place = { line: number, pool_id, channel: name };
      findings.add("payer-differs-from-tree", place, `${payer ?? "nobody"} pays, should be ${should}`);
    };
    if (channel.capped) {
      if (payer !== pool_id) add(pool_id);
    } else if (above !== undefined || parent === undefined) {
      const should = above?.channels.get(name)?.line.payer_pool_id;
      if (payer !== should) add(should ?? "nobody");
    } else if (payer !== undefined && pools.has(payer)) {
      add("a pool outside");
    }
  }
}
