/** Replay: what came back, in the order in which it was delivered, with what it made. */
import { expect, it } from "vitest";
import { ArtifactError, LedgerError, type Settlement } from "../../src/index.js";
import type { Ledger } from "../../src/ledger/ledger.js";
import { settle, settleDriver, spawn, spawnDriver, spend } from "../sql/builders.js";
import { useClients } from "./client.js";

const clients = useClients();

type Rough = Readonly<Record<string, unknown>>;

let operations = 0;

/** Applies operations that must be ok; answers the last result. */
async function apply(ledger: Ledger, ...rough: Rough[]): Promise<Rough> {
  const numbered = rough.map((operation) => ({ operation_id: `r-${++operations}`, ...operation }));
  const answers = await ledger.apply(numbered as unknown as Parameters<Ledger["apply"]>[0]);
  expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
  return { ...answers.at(-1)?.result };
}

const openRun = (poolId: string): Rough => ({
  op: "open_pool",
  pool_id: poolId,
  channels: {},
  run: { label: poolId },
});

async function all(settlements: AsyncIterable<Settlement>): Promise<Settlement[]> {
  const read: Settlement[] = [];
  for await (const settlement of settlements) read.push(settlement);
  return read;
}

const ids = (settlements: readonly Settlement[]) => settlements.map(({ node_id }) => node_id);

it("gives what was delivered as it was delivered, then what waits, also in another process", async () => {
  const ledger = await clients.open();
  const log: unknown[] = [];
  const deliver = async (poolId: string): Promise<void> => {
    const { node_id, cursor, outcome, out_ref } = await apply(ledger, { op: "deliver", pool_id: poolId });
    const artifact = typeof out_ref === "string" ? (await ledger.artifact(out_ref)).artifact : undefined;
    log.push({ pool_id: poolId, node_id, cursor: String(cursor), outcome, out_ref, artifact });
  };
  const budget = { tokens: 1_000, iterations: 10 };
  await apply(ledger, openRun("run"), spawn("run", "a", budget), spawn("run", "b", budget));
  await apply(ledger, spawnDriver("run", "driver", budget), spawn("driver", "below-1", { tokens: 10, iterations: 1 }));
  await apply(ledger, spawn("driver", "below-2", { tokens: 10, iterations: 1 }));
  await apply(ledger, { op: "meter", pool_id: "run", spend: spend({ input_tokens: 5 }) });
  const [found, plain] = [await ledger.putArtifact({ found: "it" }), await ledger.putArtifact("text")];
  await apply(ledger, settle("b", { input_tokens: 7, iterations: 1 }, { out_ref: found, verdict: { valid: true } }));
  await apply(ledger, settle("below-2", { input_tokens: 3, iterations: 1 }, { out_ref: plain }));
  await deliver("run");
  await apply(ledger, { op: "cancel", node_id: "below-1", reason: "not needed" });
  await deliver("driver");
  await apply(
    ledger,
    settle("a", { input_tokens: 2, iterations: 1 }, { outcome: "down", reason: "broke", infra: true }),
  );
  await deliver("driver");
  await apply(ledger, settleDriver("driver", { out_ref: found }));
  await deliver("run");
  // Ended, and not delivered: the driver. Not ended: the last one.
  await apply(ledger, spawn("run", "open", { tokens: 1, iterations: 1 }));

  const read = await all(ledger.replay("run"));
  const delivered = read.filter(({ cursor }) => cursor !== null);
  expect(
    delivered.map(({ pool_id, node_id, cursor, outcome, out_ref, artifact }) => {
      return { pool_id, node_id, cursor, outcome, out_ref, artifact };
    }),
  ).toEqual(log);
  expect(ids(read)).toEqual(["b", "below-2", "below-1", "a", "driver"]);
  expect(read[0]).toMatchObject({ verdict: { valid: true }, charged_tokens: "7", body: Buffer.from('{"found":"it"}') });
  expect(read[1]).toMatchObject({ artifact: "text" });
  expect(read[2]).toMatchObject({ outcome: "cancelled", reason: "not needed", body: undefined, artifact: undefined });
  expect(read[3]).toMatchObject({ outcome: "down", reason: "broke", infra: true, charged_tokens: "2" });
  expect(read[4]).toMatchObject({ driver: true, cursor: null, delivered_at: null, artifact: { found: "it" } });

  await apply(ledger, { op: "deliver", pool_id: "run" });
  await ledger.close();
  const again = await all(clients.again(ledger).replay("run"));
  expect(ids(again)).toEqual(ids(read));
  expect(again[4]).toMatchObject({ cursor: "2" });
});

it("shows an expired child that was settled late where it was delivered, as it ended", async () => {
  const ledger = await clients.open();
  await apply(ledger, openRun("run"), { ...spawn("run", "late", { tokens: 10, iterations: 1 }), lease_ms: 1 });
  await apply(ledger, { op: "dispatch", node_id: "late" }, spawn("run", "other", { tokens: 10, iterations: 1 }));
  await expect.poll(async () => (await apply(ledger, { op: "expire" })).expired).not.toEqual([]);
  await apply(ledger, { op: "deliver", pool_id: "run" }, settle("other", { input_tokens: 1, iterations: 1 }));
  await apply(ledger, { op: "deliver", pool_id: "run" });
  const ref = await ledger.putArtifact(["late"]);
  await apply(ledger, settle("late", { input_tokens: 4, iterations: 1 }, { out_ref: ref }));
  const [late, other] = await all(ledger.replay("run"));
  // What the terminal row booked is the expiry's ceiling; the truth is a correction.
  expect(late).toMatchObject({
    node_id: "late",
    outcome: "done",
    late: true,
    artifact: ["late"],
    charged_tokens: "10",
  });
  expect(other).toMatchObject({ node_id: "other", late: false });
});

it("does not move while it is read", async () => {
  const ledger = await clients.open();
  await apply(ledger, openRun("run"), spawn("run", "a"), spawn("run", "b"), settle("a"), settle("b"));
  await apply(ledger, { op: "deliver", pool_id: "run" });
  const reading = ledger.replay("run");
  expect((await reading.next()).value).toMatchObject({ node_id: "a" });
  await apply(ledger, { op: "deliver", pool_id: "run" }, spawn("run", "c"), settle("c"));
  expect(ids(await all(reading))).toEqual(["b"]);
});

it("says that there is no such run", async () => {
  const ledger = await clients.open();
  await expect(all(ledger.replay("nope"))).rejects.toMatchObject({ code: "LG003", message: "there is no run nope" });
  await expect(all(ledger.replay("nope"))).rejects.toBeInstanceOf(LedgerError);
});

it("keeps equal values under one reference", async () => {
  const ledger = await clients.open();
  const ref = await ledger.putArtifact({ b: [1, 2], a: "ü" });
  expect(await ledger.putArtifact({ a: "ü", b: [1, 2] })).toBe(ref);
  expect(await ledger.artifact(ref)).toEqual({
    ref,
    body: Buffer.from('{"a":"ü","b":[1,2]}'),
    artifact: { a: "ü", b: [1, 2] },
  });
  await expect(ledger.putArtifact(Number.NaN)).rejects.toMatchObject({ code: "LG001" });
});

/** Spoils a blob as only a superuser can. */
async function spoil(ledger: Ledger, statement: string, ref: string): Promise<void> {
  const client = await clients.database.pool.connect();
  try {
    await client.query("begin");
    await client.query("alter table ledger_private.blobs drop constraint blobs_id_is_digest");
    await client.query(`${statement} where tenant_id = $1 and blob_id = $2`, [ledger.tenantId, ref]);
    await client.query("commit");
  } finally {
    client.release();
  }
}

async function restore(): Promise<void> {
  await clients.database.pool.query(
    "delete from ledger_private.blobs b where b.blob_id <> 'sha256:' || encode(sha256(b.body), 'hex')",
  );
  await clients.database.pool.query(
    "alter table ledger_private.blobs add constraint blobs_id_is_digest check (blob_id = 'sha256:' || encode(sha256(body), 'hex'))",
  );
}

it.each([
  ["corrupted", "update ledger_private.blobs set body = body || '!'::bytea"],
  ["missing", "delete from ledger_private.blobs"],
] as const)("names an artifact that is %s, after those before it", async (problem, statement) => {
  const ledger = await clients.open();
  const [good, bad] = [await ledger.putArtifact("good"), await ledger.putArtifact({ bad: problem })];
  await apply(ledger, openRun("run"), spawn("run", "a"), spawn("run", "b"));
  await apply(ledger, settle("a", {}, { out_ref: good }), settle("b", {}, { out_ref: bad }));
  await spoil(ledger, statement, bad);
  try {
    const reading = ledger.replay("run");
    expect((await reading.next()).value).toMatchObject({ node_id: "a", artifact: "good" });
    const failure = await reading.next().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ArtifactError);
    expect(failure).toMatchObject({ name: "ArtifactError", node_id: "b", ref: bad, problem });
    expect((failure as Error).message).toContain(`the artifact ${bad} of node b `);
    await expect(ledger.artifact(bad)).rejects.toMatchObject({ problem, node_id: null });
  } finally {
    await restore();
  }
});

it("names what is no reference", async () => {
  const ledger = await clients.open();
  await apply(ledger, openRun("run"), spawn("run", "a"), settle("a", {}, { out_ref: "s3://bucket/thing" }));
  await expect(all(ledger.replay("run"))).rejects.toMatchObject({
    problem: "not-a-reference",
    ref: "s3://bucket/thing",
    node_id: "a",
  });
  await expect(ledger.artifact("sha256:00")).rejects.toMatchObject({ problem: "not-a-reference" });
});

it("streams more settlements than a page holds", { timeout: 120_000 }, async () => {
  const ledger = await clients.open();
  const children = Array.from({ length: 5_000 }, (_, number) => `n${number}`);
  const ref = await ledger.putArtifact({ small: true });
  const large = await ledger.putArtifact("x".repeat(100_000));
  await apply(ledger, openRun("run"), ...children.map((child) => spawn("run", child, { tokens: 1, iterations: 0 })));
  // The other way round than they were spawned.
  await apply(
    ledger,
    ...children.toReversed().map((child) => settle(child, {}, { out_ref: child === "n7" ? large : ref })),
  );
  await apply(ledger, ...children.slice(0, 1_500).map(() => ({ op: "deliver", pool_id: "run" })));
  let count = 0;
  for await (const { node_id, artifact, cursor } of ledger.replay("run")) {
    const number = 4_999 - count;
    if (node_id !== `n${number}` || (cursor === null) !== count >= 1_500) expect.fail(`${node_id} is number ${count}`);
    if (number === 7) expect(artifact).toHaveLength(100_000);
    count += 1;
  }
  expect(count).toBe(5_000);
});
