/** The server goes away, comes back, hangs, or says no: callers wait as long as that can help, and hear why when it cannot. */
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { connect } from "../../src/database/connect.js";
import { migrateToCurrent } from "../../src/database/migrate.js";
import { freePort } from "../../src/database/port.js";
import { LedgerError } from "../../src/ledger/errors.js";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { advisoryLocks, audit, until } from "../concurrency/sessions.js";
import { startServer, type TestServer } from "../setup/server.js";
import { byCallers } from "./random.js";

const TENANT = "t";
const WRITER = "outage_writer";
const CROWDED = "outage_crowded";
const POOLS = ["a", "b"];

let server: TestServer;
/** Connects a writer bound to the tenant. */
let url: string;
const ledgers: Ledger[] = [];

beforeAll(async () => {
  server = await startServer({ version: inject("postgres").major === 15 ? "15" : "embedded" });
  await migrateToCurrent(server.url);
  const client = await connect(server.url);
  await client.query("select ledger.create_tenant($1), ledger.create_tenant('other')", [TENANT]);
  await client.query(`create role ${WRITER} login password 'secret' in role ledger_writer`);
  await client.query("select ledger.bind_role($1, $2)", [WRITER, TENANT]);
  await client.end();
  const writer = new URL(server.url);
  [writer.username, writer.password] = [WRITER, "secret"];
  url = writer.href;
  const ledger = open();
  for (const poolId of POOLS) await ledger.openPool({ tokens: 1_000_000 }, { poolId });
}, 120_000);

afterAll(async () => {
  await Promise.all(ledgers.map((ledger) => ledger.close()));
  await server?.stop();
});

/** A ledger of that address; closed at the end. */
function open(connectionString = url, tenantId = TENANT): Ledger {
  const ledger = createLedger({ connectionString, tenantId });
  ledgers.push(ledger);
  return ledger;
}

/** The writer's address with a part of it changed. */
function urlWith(change: (url: URL) => void): string {
  const other = new URL(url);
  change(other);
  return other.href;
}

const metered = { input_tokens: 1, output_tokens: 0, usd: "0.01" };

/** What a call on a ledger comes to. */
async function outcome(ledger: Ledger): Promise<unknown> {
  return ledger
    .pool("a")
    .observe(metered)
    .catch((error: unknown) => error);
}

async function expectThere(prefix: string, count: number): Promise<void> {
  const client = await connect(server.url);
  const { rows } = await client.query(
    `select count(*)::int as rows, count(distinct operation_id)::int as operations
     from ledger.journal where tenant_id = $1 and starts_with(operation_id, $2)`,
    [TENANT, prefix],
  );
  expect(rows).toEqual([{ rows: count, operations: count }]);
  await until(async () => (await advisoryLocks(client)).length === 0, "nothing is locked");
  // What the server would do by itself after a minute: audits are planned by what is known of the tables.
  await client.query("analyze");
  expect(await audit(client, TENANT)).toEqual([]);
  await client.end();
}

/** Stops the processes of the server where they are, or lets them go on. */
async function signalServer(signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
  const pid = server.pid();
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  for (const id of [pid, ...children.split(" ").filter(Boolean).map(Number)]) process.kill(id, signal);
}

describe("a server that comes back", () => {
  it.each<[string, () => Promise<void>]>([
    [
      "is killed and recovers",
      async () => {
        await server.kill9();
        // As long as a supervisor takes to notice.
        await pause(500);
        await server.restart();
      },
    ],
    ["is restarted in good order", () => server.restart()],
    [
      "hangs for a while",
      async () => {
        await signalServer("SIGSTOP");
        await pause(1_000);
        await signalServer("SIGCONT");
      },
    ],
  ])(
    "%s: callers wait, and are all answered",
    async (what, happen) => {
      const OBSERVED = 1_500;
      const ledger = open();
      const events: string[] = [];
      const ended = new AbortController();
      const following = (async () => {
        for await (const { row } of ledger.events({ after: "now", signal: ended.signal }))
          events.push(row.operation_id);
      })();
      let happening: Promise<void> | undefined;
      let answered = 0;
      const items = Array.from({ length: OBSERVED }, (_, index) => index);
      await byCallers(24, items, async (index) => {
        const pool = ledger.pool(POOLS[index % POOLS.length] as string);
        const { seq } = await pool.observe(metered, { operationId: `${what}/${index}` });
        expect(seq).toBeGreaterThan(1);
        answered += 1;
        if (answered === OBSERVED / 3) happening = happen();
      });
      await happening;
      const { retries } = ledger.statistics();
      if (!what.startsWith("hangs")) expect(retries.connection).toBeGreaterThan(0);
      await expectThere(`${what}/`, OBSERVED);
      // A feed goes on by itself where it was.
      await until(async () => events.length >= OBSERVED, "the feed has everything");
      ended.abort();
      await following;
      expect(new Set(events).size).toBe(events.length);
      expect(events).toHaveLength(OBSERVED);
      await ledger.close();
    },
    60_000,
  );
});

it("a server that hangs for good: the caller is told after a minute, and may ask again", async () => {
  const ledger = open();
  await ledger.pool("a").observe(metered, { operationId: "hanging/0" });
  await signalServer("SIGSTOP");
  try {
    // The client's clock; the server, stopped, is real.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const told = outcomeOf(ledger.pool("a").observe(metered, { operationId: "hanging/1" }));
    // It is on its way before the minute begins.
    await pause(200);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(await told).toMatchObject({ code: "08006", name: "connection_failure", retryable: true });
  } finally {
    vi.useRealTimers();
    await signalServer("SIGCONT");
  }
  for (const id of ["hanging/0", "hanging/1"]) {
    expect(await ledger.pool("a").observe(metered, { operationId: id })).toMatchObject({ seq: expect.any(Number) });
  }
  await ledger.close();
  await expectThere("hanging/", 2);
});

describe("a server that is not there", () => {
  it("is looked for, and then said to be missing: the call may be made again", async () => {
    const nowhere = await freePort();
    const ledger = open(
      urlWith((address) => {
        address.port = String(nowhere);
      }),
    );
    const errors = await Promise.all([outcome(ledger), ledger.trajectory("a").catch((error: unknown) => error)]);
    for (const error of errors) {
      expect(error).toBeInstanceOf(LedgerError);
      expect(error).toMatchObject({ code: "08006", name: "connection_failure", retryable: true });
    }
    expect(ledger.statistics()).toMatchObject({ calls: 0, operations: 0 });
    expect(ledger.statistics().retries.connection).toBeGreaterThan(2);
    await ledger.close();
  });

  it("is there in time where it starts while callers wait", async () => {
    await server.kill9();
    const ledger = open();
    const waiting = ledger.pool("a").observe(metered, { operationId: "early/1" });
    const restarted = server.restart();
    const [answer] = await Promise.all([outcomeOf(waiting), restarted]);
    // Not proven yet, it is waited for two seconds only, and a slow start may take longer.
    if (answer instanceof LedgerError) {
      expect(answer).toMatchObject({ code: "08006", retryable: true });
      await ledger.pool("a").observe(metered, { operationId: "early/1" });
    }
    await expectThere("early/", 1);
  }, 60_000);
});

const outcomeOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

describe("a server that says no", () => {
  it.each<[string, (address: URL) => void, string]>([
    [
      "the password is wrong",
      (address) => {
        address.password = "guess";
      },
      "28P01",
    ],
    [
      "there is no such role",
      (address) => {
        address.username = "nobody";
      },
      "28P01",
    ],
    [
      "there is no such database",
      (address) => {
        address.pathname = "/elsewhere";
      },
      "3D000",
    ],
    [
      "there is no ledger in it",
      (address) => {
        address.pathname = "/template1";
      },
      "3F000",
    ],
  ])("%s: final, with its code", async (_, change, code) => {
    const ledger = open(urlWith(change));
    const error = await outcome(ledger);
    expect(error).toBeInstanceOf(LedgerError);
    expect(error).toMatchObject({ code, retryable: false });
    expect(ledger.statistics()).toEqual({ calls: 0, operations: 0, retries: { conflict: 0, connection: 0 } });
    await ledger.close();
  });

  it("the role is bound to another tenant: LG009, by every way in", async () => {
    const ledger = open(url, "other");
    const forbidden = { name: "tenant_forbidden", code: "LG009", retryable: false };
    expect(await outcome(ledger)).toMatchObject(forbidden);
    const bystanders = ["b", "c"].map((id) => outcomeOf(ledger.pool(id).observe(metered)));
    for (const bystander of bystanders) expect(await bystander).toMatchObject(forbidden);
    await expect(ledger.withTransaction({ pools: ["a"] }, async () => {})).rejects.toMatchObject(forbidden);
    await expect(ledger.events({ follow: false }).next()).rejects.toMatchObject(forbidden);
    expect(await ledger.trajectory("a")).toEqual([]);
  });

  it("the tenant was never made: LG012", async () => {
    const ledger = open(server.url, "nobody");
    const unknown = { name: "unknown_tenant", code: "LG012", retryable: false };
    expect(await outcome(ledger)).toMatchObject(unknown);
    await expect(ledger.apply([], { atomic: true })).resolves.toEqual([]);
    await expect(ledger.events().next()).rejects.toMatchObject(unknown);
  });

  it("its connections are all taken: waited for, not an error", async () => {
    const admin = await connect(server.url);
    await admin.query(`create role ${CROWDED} login password 'secret' connection limit 1 in role ledger_writer`);
    await admin.query("select ledger.bind_role($1, $2)", [CROWDED, TENANT]);
    await admin.end();
    const crowded = urlWith((address) => {
      address.username = CROWDED;
    });
    const holder = new pg.Client(crowded);
    await holder.connect();
    const ledger = open(crowded);
    const waiting = ledger.pool("a").observe(metered, { operationId: "crowded/1" });
    await until(async () => ledger.statistics().retries.connection > 0, "it was turned away");
    await holder.end();
    expect(await waiting).toMatchObject({ seq: expect.any(Number) });
    await ledger.close();
    await expectThere("crowded/", 1);
  });
});

it("after it was closed a ledger answers nothing more, at once and for good; closing again is no error", async () => {
  const ledger = open();
  const before = ledger.pool("a").observe(metered, { operationId: "closing/1" });
  await ledger.close();
  expect(await before).toMatchObject({ seq: expect.any(Number) });
  for (const call of [
    outcome(ledger),
    outcomeOf(ledger.trajectory("a")),
    outcomeOf(ledger.withTransaction({ pools: [] }, async () => {})),
  ]) {
    expect(await call).toMatchObject({ name: "ledger_closed", retryable: false });
  }
  expect(await outcomeOf(ledger.events().next())).toMatchObject({ done: true });
  await ledger.close();
  await expectThere("closing/", 1);
});
