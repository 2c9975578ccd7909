/** Artifacts: bytes in the blob store under the digest of their content, which is checked whenever they are read. */
import { createHash } from "node:crypto";
import type { Kysely } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";

/** An artifact as it was found. */
export interface Artifact {
  /** `sha256:<hex>` of the bytes. */
  readonly ref: string;
  readonly body: Buffer;
  /** What the bytes say, where they are JSON; else undefined. */
  readonly artifact: unknown;
}

/** What can be wrong with an artifact. */
export type ArtifactProblem = "missing" | "corrupted" | "not-a-reference";

const SENTENCES: Readonly<Record<ArtifactProblem, string>> = {
  missing: "is not in the blob store: put its bytes again, they go where they were",
  corrupted: "has bytes of another digest: restore that blob from a backup, and find out who could change it",
  "not-a-reference": "is no sha256:<64 hex digits>: settle with the reference that putArtifact answers",
};

/** An artifact that cannot be had as it was stored. */
export class ArtifactError extends Error {
  override readonly name = "ArtifactError";

  constructor(
    readonly problem: ArtifactProblem,
    /** What was looked for. */
    readonly ref: string,
    /** The node that ended with it; null where nobody asked for a node's. */
    readonly node_id: string | null = null,
  ) {
    super(`the artifact ${ref}${node_id === null ? "" : ` of node ${node_id}`} ${SENTENCES[problem]}`);
  }
}

const REFERENCE = /^sha256:[0-9a-f]{64}$/;

/** `sha256:<hex>` of the bytes. */
export function referenceOf(body: Uint8Array): string {
  return `sha256:${createHash("sha256").update(body).digest("hex")}`;
}

/**
 * The artifact of those bytes under that reference.
 * @throws {ArtifactError} for a reference that is none, bytes that are not there or not those.
 */
export function checked(ref: string, body: Buffer | undefined, nodeId: string | null): Artifact {
  if (!REFERENCE.test(ref)) throw new ArtifactError("not-a-reference", ref, nodeId);
  if (body === undefined) throw new ArtifactError("missing", ref, nodeId);
  if (referenceOf(body) !== ref) throw new ArtifactError("corrupted", ref, nodeId);
  return { ref, body, artifact: parsed(body) };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** Bodies up to this size are read many at once, larger ones each when its turn comes. */
const SMALL = 65_536;

/** The bytes of one blob. */
export async function bodyOf(db: Kysely<LedgerViews>, tenantId: string, ref: string): Promise<Buffer | undefined> {
  const blobs = db.selectFrom("blobs").select("body").where("tenant_id", "=", tenantId).where("blob_id", "=", ref);
  return (await blobs.executeTakeFirst())?.body;
}

/** The bytes of those that are small. */
export async function smallBodies(
  db: Kysely<LedgerViews>,
  tenantId: string,
  refs: readonly string[],
): Promise<Map<string, Buffer>> {
  if (refs.length === 0) return new Map();
  const blobs = await db
    .selectFrom("blobs")
    .select(["blob_id", "body"])
    .where("tenant_id", "=", tenantId)
    .where("blob_id", "in", [...new Set(refs)])
    .where("bytes", "<=", SMALL)
    .execute();
  return new Map(blobs.map(({ blob_id, body }) => [blob_id, body]));
}
