/**
 * Proves an export by itself: that it is whole and as it was written, and that its balances are what its events add up to. No
 * database is asked. One line is in memory at a time, and of each pool its balances.
 */
import { createHash } from "node:crypto";
import { exact, textOf } from "../ledger/amounts.js";
import { referenceOf } from "../ledger/artifacts.js";
import { checkPool } from "./balances.js";
import { type Finding, Findings } from "./findings.js";
import { checkEvent, type Draws } from "./journal.js";
import { PoolBook } from "./pool-book.js";
import { checkRun, checkRunOf, checkRunOfPool } from "./runs.js";
import {
  line as anyLine,
  type BlobLine,
  type EventLine,
  type FooterLine,
  type Header,
  type NodeLine,
  ORDER,
} from "./shapes.js";
import { type ByteLine, linesOf } from "./source.js";
import { checkPayers } from "./sources.js";
import { add, amountOf, type Sums } from "./usage.js";

/** What a channel that a footer does not name adds up to. */
const NO_SUMS = { funded: "0", held: "0", spent: "0", uncertain: "0" };

/** What was found, and of what. */
export interface Verdict {
  /** Whether nothing is wrong. */
  readonly proven: boolean;
  /** Lines read. */
  readonly lines: number;
  readonly tenant: string | null;
  readonly run: string | null;
  readonly exported_at: string | null;
  /** Whether it was written with the bytes of artifacts; null where it does not say. */
  readonly blobs: boolean | null;
  /** Lines by type. */
  readonly counts: Readonly<Record<string, number>>;
  /** The digest of what comes before the footer. */
  readonly sha256: string;
  /** All that is wrong; `findings` holds the first of it. */
  readonly found: number;
  readonly findings: readonly Finding[];
}

/** Verifies a file, packed or not. Throws what the file system says. */
export async function verifyExport(file: string, onProgress?: (lines: number) => void): Promise<Verdict> {
  const verifier = new Verifier();
  try {
    for await (const line of linesOf(file)) {
      verifier.read(line);
      if (verifier.lines % 1_000 === 0) onProgress?.(verifier.lines);
    }
  } catch (error) {
    // An archive that is cut or spoilt.
    if (!String((error as { code?: unknown }).code).startsWith("Z_")) throw error;
    verifier.findings.add("archive-damaged", { line: verifier.lines + 1 }, String((error as Error).message));
  }
  return verifier.end();
}

export class Verifier {
  readonly findings = new Findings();
  lines = 0;
  readonly #digest = createHash("sha256");
  readonly #counts = new Map<string, number>(ORDER.slice(0, -1).map((type) => [type, 0]));
  readonly #sums = new Map<string, Sums>();
  readonly #pools = new Map<string, PoolBook>();
  readonly #draws: Draws = new Map();
  #header: Header | undefined;
  #footer: FooterLine | undefined;
  #stage = 0;
  /** The pool whose events are passing. */
  #passing: string | undefined;

  /** Takes the next line. */
  read({ bytes, ended }: ByteLine): void {
    this.lines += 1;
    const place = { line: this.lines };
    if (!ended) this.findings.add("cut-off", place, "the last line has no line break");
    if (this.#footer) this.findings.add("line-after-footer", place, "the footer is the last line");
    const parsed = this.#parse(bytes);
    if (parsed?.type !== "footer") this.#digest.update(bytes).update(ended ? "\n" : "");
    if (!parsed) return;
    const stage = ORDER.indexOf(parsed.type);
    if (stage < this.#stage || (this.lines === 1) !== (parsed.type === "header")) {
      this.findings.add("lines-out-of-order", place, `${parsed.type} after ${ORDER[this.#stage]}`);
    }
    this.#stage = Math.max(stage, this.#stage);
    if (parsed.type !== "footer") this.#counts.set(parsed.type, (this.#counts.get(parsed.type) ?? 0) + 1);
    if (parsed.type === "header") this.#header = parsed;
    else if (parsed.type === "pool") this.#readPool(new PoolBook(parsed, this.lines));
    else if (parsed.type === "node") this.#readNode(parsed);
    else if (parsed.type === "run") checkRun(parsed.run_id, this.lines, this.#pools, this.findings);
    else if (parsed.type === "event") this.#readEvent(parsed);
    else if (parsed.type === "blob") this.#readBlob(parsed);
    else this.#footer = parsed;
  }

  /** Everything has been read: what must hold of the whole. */
  end(): Verdict {
    const sha256 = this.#digest.digest("hex");
    for (const book of this.#pools.values()) {
      this.#checkTree(book);
      checkPool(book, this.#pools.get(book.line.parent_pool_id ?? ""), this.findings);
    }
    for (const { payer, pool, channel, sum } of this.#draws.values()) {
      const left = sum.get(channel);
      if (!left || left.eq(0) || !this.#pools.has(payer) || !this.#pools.has(pool)) continue;
      const detail = `of what ${pool} spent, ${textOf(left)} is not drawn`;
      this.findings.add("drawn-differs-from-source", { pool_id: payer, channel }, detail);
    }
    const { run: exportedRun, outside } = this.#header ?? {};
    if (exportedRun !== undefined ? !this.#pools.get(exportedRun)?.hasRun : outside !== undefined) {
      this.findings.add("run-missing", { line: 1 }, `the header names ${exportedRun ?? "an outside of no run"}`);
    }
    this.#checkFooter(sha256);
    const { count: found, kept: findings } = this.findings;
    const { tenant = null, run = null, exported_at = null, blobs = null } = this.#header ?? {};
    const counts = Object.fromEntries(this.#counts);
    const header = { tenant, run, exported_at, blobs };
    return { proven: found === 0, lines: this.lines, ...header, counts, sha256, found, findings };
  }

  #parse(bytes: Buffer) {
    try {
      const parsed = anyLine.safeParse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      this.findings.add(
        "malformed",
        { line: this.lines },
        `${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim(),
      );
    } catch (error) {
      this.findings.add("malformed", { line: this.lines }, (error as Error).message);
    }
    return undefined;
  }

  #readPool(book: PoolBook): void {
    const { pool_id, channels, parent_pool_id: parent } = book.line;
    const place = { line: this.lines, pool_id };
    if (this.#pools.has(pool_id)) this.findings.add("duplicate-pool", place, "a line before is of that pool");
    if (channels.length > book.channels.size) this.findings.add("duplicate-channel", place, "it names a channel twice");
    const outside = this.#header?.outside?.parent_pool_id;
    if (this.#header?.run !== undefined && pool_id === this.#header.run && parent !== outside) {
      this.findings.add("parent-differs-from-header", place, `${parent ?? "none"} and ${outside ?? "none"}`);
    }
    this.#pools.set(pool_id, book);
  }

  /** What is above a pool: `pool-of-no-parent`, where that is neither in the file nor what the header says is outside. */
  #checkTree(book: PoolBook): void {
    const { pool_id, parent_pool_id: parent } = book.line;
    if (parent !== undefined && !this.#pools.has(parent)) {
      const { run, outside } = this.#header ?? {};
      if (run !== pool_id || outside?.parent_pool_id !== parent) {
        this.findings.add("pool-of-no-parent", { line: book.number, pool_id }, `the file has no pool ${parent}`);
      }
    }
    checkPayers(book, this.#pools, this.findings);
    checkRunOfPool(book, this.#header, this.#pools, this.findings);
  }

  /** Among it `status-differs-from-outcome`: a node that has ended has its outcome as status, any other waits or works. */
  #readNode(node: NodeLine): void {
    const { node_id, parent_node_id, driver, status = "none", outcome, hold } = node;
    const place = { line: this.lines, node_id };
    if (outcome === undefined ? status !== "pending" && status !== "dispatched" : status !== outcome) {
      this.findings.add("status-differs-from-outcome", place, `${status}, and ${outcome ?? "no outcome"}`);
    }
    const own = this.#pools.get(node_id);
    if (driver !== (own !== undefined)) {
      this.findings.add("driver-differs-from-pool", place, driver ? "it owns no pool" : "it owns a pool");
    }
    if (own) {
      if (own.owner) this.findings.add("duplicate-node", place, "a line before is of that node");
      own.owner = { outcome };
      if (own.line.parent_pool_id !== parent_node_id) {
        this.findings.add(
          "parent-differs-from-pool",
          { ...place, pool_id: node_id },
          "node and pool have other parents",
        );
      }
      for (const [name, channel] of own.channels) channel.holdAbove = amountOf(hold.get(name));
    }
    const parent = this.#pools.get(parent_node_id ?? "");
    const pool = own ?? parent;
    if (pool) checkRunOf(node.run_id, pool, place, this.findings);
    if (parent) parent.addChild(node);
    else if (!own || (parent_node_id !== undefined && parent_node_id !== this.#header?.outside?.parent_pool_id)) {
      this.findings.add("node-of-no-pool", place, "the file has no pool that it is a child of");
    }
  }

  #readEvent(event: EventLine): void {
    if (this.#passing !== event.pool_id) {
      // Holds are remembered only while the events of their pool pass.
      this.#pools.get(this.#passing ?? "")?.open.clear();
      this.#passing = event.pool_id;
      if ((this.#pools.get(event.pool_id)?.lastSeq ?? 0n) > 0n) {
        const place = { line: this.lines, pool_id: event.pool_id, seq: event.seq };
        this.findings.add("events-apart", place, "events of one pool stand together");
      }
    }
    for (const { channel, funded, held, spent, uncertain } of event.postings ?? []) {
      const sums = this.#sums.get(channel) ?? new Map();
      this.#sums.set(channel, sums);
      for (const [name, amount] of Object.entries({ funded, held, spent, uncertain }))
        add(sums, name, amountOf(amount));
    }
    checkEvent(event, this.lines, this.#pools, this.#draws, this.findings);
  }

  #readBlob({ blob_id, bytes, body }: BlobLine): void {
    const content = Buffer.from(body, "base64");
    if (referenceOf(content) === blob_id && content.length === bytes) return;
    this.findings.add("blob-differs-from-reference", { line: this.lines }, `${blob_id}: ${content.length} bytes`);
  }

  #checkFooter(sha256: string): void {
    if (!this.#header) this.findings.add("no-header", { line: 1 }, "the first line is no header of an export");
    const footer = this.#footer;
    if (!footer) {
      this.findings.add("no-footer", { line: this.lines }, "the file ends before its footer: it was cut off");
      return;
    }
    const place = { line: this.lines };
    if (footer.sha256 !== sha256) {
      this.findings.add("digest-differs", place, `the lines have ${sha256}, the footer ${footer.sha256}`);
    }
    for (const type of new Set([...footer.counts.keys(), ...this.#counts.keys()])) {
      const [is, should] = [this.#counts.get(type) ?? 0, footer.counts.get(type) ?? 0];
      if (is !== should) this.findings.add("counts-differ", place, `${type}: ${is} lines, ${should} in the footer`);
    }
    for (const channel of new Set([...footer.sums.keys(), ...this.#sums.keys()])) {
      for (const [name, text] of Object.entries(footer.sums.get(channel) ?? NO_SUMS)) {
        const is = this.#sums.get(channel)?.get(name) ?? exact("0");
        if (!is.eq(text))
          this.findings.add("sums-differ", { ...place, channel }, `${name}: ${textOf(is)}, ${text} in the footer`);
      }
    }
  }
}
