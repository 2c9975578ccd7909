/** The receiver in trouble: clients that do not finish, a ledger that takes nothing, listeners that throw, batches that are too large. */
import { once } from "node:events";
import { type ClientRequest, request } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, expect, it } from "vitest";
import { type Receiver, type ReceiverOptions, receiveOtel } from "../../../src/import/otel/receiver.js";
import type { Ledger } from "../../../src/ledger/ledger.js";
import { useClients } from "../../ledger/client.js";
import { chat, exportOf, span, traceId } from "./otlp.js";
import { spentIn } from "./spent.js";

const clients = useClients();
const receivers: Receiver[] = [];
const unfinished: ClientRequest[] = [];
afterEach(async () => {
  for (const one of unfinished.splice(0)) one.destroy();
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});

async function receiving(ledger: Ledger, options: ReceiverOptions = {}): Promise<Receiver> {
  const receiver = await receiveOtel(ledger, { port: 0, ...options });
  receivers.push(receiver);
  return receiver;
}

function post(url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  const all = { "content-type": "application/json", ...headers };
  return fetch(url, { method: "POST", headers: all, body: body as never });
}

const one = (trace: string): string => JSON.stringify(exportOf([span(trace, "1", undefined, chat(10, 1))]));

/** Begins a body and does not end it; the receiver has heard of it. Resolves to what becomes of it. */
async function begin(url: string): Promise<{ readonly over: Promise<unknown> }> {
  const headers = { "content-type": "application/json", "content-length": "1000", expect: "100-continue" };
  const sending = request(url, { method: "POST", headers });
  unfinished.push(sending);
  const over = new Promise((resolve) => {
    sending.once("error", () => resolve("cut"));
    sending.once("response", ({ statusCode }) => resolve(statusCode));
  });
  sending.flushHeaders();
  await once(sending, "continue");
  sending.write("{");
  return { over };
}

/** What others can wait for. */
function latch() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** A ledger that waits before it books. */
function waiting(ledger: Ledger, gate: Promise<unknown>, begun: () => void = () => {}): Ledger {
  const { tenantId, db } = ledger;
  const apply = async (...asked: Parameters<Ledger["apply"]>) => {
    begun();
    await gate;
    return ledger.apply(...asked);
  };
  return { tenantId, db, read: ledger.read.bind(ledger), apply } as unknown as Ledger;
}

it("cuts a body that is not ended when it stops, and answers what is being booked", async () => {
  const ledger = await clients.open();
  const gate = latch();
  const begun = latch();
  const receiver = await receiving(waiting(ledger, gate.opened, begun.open), { stopMs: 5_000 });
  const { over } = await begin(receiver.url);
  const answer = post(receiver.url, one("a"));
  await begun.opened;
  const closed = receiver.close();
  expect(await over).toBe("cut");
  gate.open();
  expect((await answer).status).toBe(200);
  await closed;
  expect(await spentIn(ledger, traceId("a"))).toEqual([10, 1, true, 1]);
});

it("stops also where the ledger answers nothing", async () => {
  const ledger = await clients.open();
  const begun = latch();
  const receiver = await receiving(waiting(ledger, new Promise(() => {}), begun.open), { stopMs: 20 });
  const answer = post(receiver.url, one("a"));
  await begun.opened;
  await Promise.all([receiver.close(), expect(answer).rejects.toThrow()]);
});

it("bodies that are not ended take no place of those that are booked, and have a bound of their own", async () => {
  const { url } = await receiving(await clients.open(), { stopMs: 20 });
  await Promise.all(Array.from({ length: 63 }, () => begin(url)));
  expect((await post(url, one("a"))).status).toBe(200);
  await begin(url);
  const busy = await post(url, one("b"));
  expect([busy.status, busy.headers.get("retry-after"), await busy.json()]).toEqual([503, "5", { message: "busy" }]);
});

it("has what a database in trouble did not take sent again", async () => {
  const ledger = await clients.open();
  const { pool } = clients.database;
  const role = new URL(clients.urlOf(ledger)).username;
  // What a failover to a standby looks like.
  await pool.query(`alter role ${role} set default_transaction_read_only = on`);
  const errors: unknown[] = [];
  const { url } = await receiving(ledger, { onError: (error) => errors.push(error) });
  const refused = await post(url, one("a"));
  const message = "not booked: 25006 database_error";
  expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toEqual([503, "5", { message }]);
  expect(errors).toMatchObject([{ code: "25006" }]);
  await pool.query(`alter role ${role} reset default_transaction_read_only`);
  const again = await receiving(clients.again(ledger));
  expect((await post(again.url, one("a"))).status).toBe(200);
  expect(await spentIn(ledger, traceId("a"))).toEqual([10, 1, true, 1]);
});

it("answers whatever listeners throw", async () => {
  const ledger = await clients.open();
  const fail = (): never => {
    throw new Error("the listener is broken");
  };
  const reject = (): Promise<never> => Promise.reject(new Error("the listener is broken"));
  const broken = reject();
  broken.catch(() => {});
  const { url } = await receiving(ledger, { onBatch: fail, onError: fail });
  const later = await receiving(ledger, { onBatch: reject, onError: reject });
  expect((await post(url, one("a"))).status).toBe(200);
  expect((await post(later.url, one("a"))).status).toBe(200);
  const third = await receiving(waiting(ledger, broken), { onError: fail });
  const answer = await post(third.url, one("b"));
  expect([answer.status, await answer.json()]).toEqual([500, { message: "not booked" }]);
});

it("takes a bounded number of spans at a time, packed by whatever spelling", async () => {
  const { url } = await receiving(await clients.open());
  const batch = (spans: number) => gzipSync(JSON.stringify(exportOf(Array(spans).fill({}))));
  const packed = { "content-encoding": "GZIP" };
  const large = await post(url, batch(10_000), packed);
  expect([large.status, await large.json()]).toEqual([
    413,
    { message: "more than 10000 resources, scopes and spans: send smaller batches" },
  ]);
  const most = await post(url, batch(9_998), packed);
  expect(most.status).toBe(200);
  expect(await most.json()).toMatchObject({ partialSuccess: { rejectedSpans: "9998" } });
});
