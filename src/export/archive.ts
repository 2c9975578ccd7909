/**
 * Moving closed runs out of the journal: each is exported to a file of its own, the file is proven, and what it holds goes to the
 * archive. Broken off anywhere, nothing is lost: a file is there when it is whole, a row is in the journal or in the archive, and the
 * next time goes on with what is left.
 */
import { createHash } from "node:crypto";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { Complaint } from "../database/complaint.js";
import { archiveRun, type Queryable } from "../ledger/call.js";
import type { Ledger } from "../ledger/ledger.js";
import { exportTypes } from "./encode.js";
import { writeFileOf } from "./file.js";
import { poolPages } from "./read.js";
import { verifyExport } from "./verify.js";
import { exportLines } from "./write.js";

/** A run that was archived: events that left the journal, and the file that holds the run. */
export interface ArchivedRun {
  readonly run_id: string;
  readonly events: number;
  readonly file: string;
  readonly sha256: string;
}

/** Runs that are closed, ended before that moment, and have something in the journal still; those that ended first come first. */
export async function runsToArchive({ db, tenantId }: Ledger, before: Date): Promise<string[]> {
  const rows = await db
    .selectFrom("runs as r")
    .innerJoin("pools as p", (join) =>
      join.onRef("p.tenant_id", "=", "r.tenant_id").onRef("p.pool_id", "=", "r.run_id"),
    )
    .innerJoin("nodes as n", (join) =>
      join.onRef("n.tenant_id", "=", "r.tenant_id").onRef("n.node_id", "=", "r.run_id"),
    )
    .select("r.run_id")
    .where("r.tenant_id", "=", tenantId)
    .where("p.state", "=", "closed")
    .where("n.ended_at", "<", before)
    .where("r.run_id", "in", (query) =>
      query
        .selectFrom("pools as q")
        .innerJoin("pool_heads as h", (join) =>
          join.onRef("h.tenant_id", "=", "q.tenant_id").onRef("h.pool_id", "=", "q.pool_id"),
        )
        .leftJoin(
          (archives) =>
            archives
              .selectFrom("archives as a")
              .select(["a.pool_id", sql<string>`max(a.last_seq)`.as("last_seq")])
              .where("a.tenant_id", "=", tenantId)
              .groupBy("a.pool_id")
              .as("a"),
          (join) => join.onRef("a.pool_id", "=", "q.pool_id"),
        )
        .select(sql<string>`q.run_id`.as("run_id"))
        .where("q.tenant_id", "=", tenantId)
        .where("q.run_id", "is not", null)
        .where(sql<boolean>`h.seq > coalesce(a.last_seq, 0)`),
    )
    .orderBy("n.ended_at")
    .orderBy("r.run_id")
    .execute();
  return rows.map(({ run_id }) => run_id);
}

/**
 * Exports a run into a folder, proves the file and archives what it holds. `client` is an administrator's.
 * @throws {Complaint} where the export does not prove; then nothing has left the journal.
 */
export async function archiveToFile(
  ledger: Ledger,
  client: Queryable,
  run: string,
  folder: string,
  signal?: AbortSignal,
): Promise<ArchivedRun> {
  const { tenantId } = ledger;
  const heads: Record<string, number> = {};
  const started = join(folder, `${nameOf(run)}.new`);
  await ledger.snapshot(async (db) => {
    const scope = { db, tenantId, run };
    for await (const page of poolPages(scope)) for (const { pool_id, seq } of page) heads[pool_id] = seq;
    await writeFileOf(exportLines(scope, { blobs: true }), started, { gzip: true, ...(signal && { signal }) });
  }, exportTypes());
  const { proven, sha256, found, findings } = await verifyExport(started);
  if (!proven) {
    const [first] = findings;
    const what = `${found} findings, the first of them ${first?.rule}: ${first?.detail}`;
    throw new Complaint(`The export of run ${run} is not proven (${what}); see ${started}`);
  }
  const file = join(folder, `${nameOf(run)}.${sha256.slice(0, 12)}.jsonl.gz`);
  await rename(started, file);
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
  const events = await archiveRun(client, tenantId, run, heads, `sha256:${sha256}`);
  return { run_id: run, events, file, sha256 };
}

/** A file's name for a run: what people can read of its id, and a digest of all of it, since two ids may look alike to a file system. */
function nameOf(run: string): string {
  const readable = run.replaceAll(/[^\w.-]/g, "_").slice(0, 80);
  return `${readable.replace(/^\.+/, "")}.${createHash("sha256").update(run).digest("hex").slice(0, 8)}`;
}
