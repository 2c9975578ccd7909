/**
 * `ledger.apply` in a transaction of the caller's beside `ledger.submit`: the transaction may lose (40001, and only
 * that), the submit never does.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { judge, shutGate } from "./gate.js";
import { type Operation, spendOf, sqlState, withId } from "./operations.js";
import { applyPatiently, audit, openSession, type Session, untilWaiting } from "./sessions.js";
import { balance, openRoot, plant } from "./trees.js";

let database: TestDatabase;
let caller: Session;
let submitter: Session;
let gate: Session;
let observer: Session;

beforeAll(async () => {
  database = await createTestDatabase();
  [caller, submitter, gate, observer] = await Promise.all([
    openSession(database),
    openSession(database),
    openSession(database),
    openSession(database),
  ]);
});
afterAll(() => database?.drop());

const meter = (tokens: number): Operation => withId({ op: "meter", pool_id: "root", spend: spendOf(tokens) });

describe("a caller's transaction", () => {
  it("that waited for a submit loses with 40001, and succeeds when it is repeated", async () => {
    await plant(observer.client, "waited", [openRoot()]);
    await shutGate(gate, "waited", "root");
    const submitted = submitter.submit("waited", [judge("root")]);
    await untilWaiting(observer.client, submitter.pid, "transactionid");
    const operation = meter(7);
    await caller.begin();
    const applied = caller.apply("waited", [operation]).catch(sqlState);
    await untilWaiting(observer.client, caller.pid);
    await gate.end("rollback");
    expect(await submitted).toMatchObject([{ status: "ok" }]);
    expect(await applied).toBe("40001");
    await caller.end("rollback");

    await caller.begin();
    expect(await caller.apply("waited", [operation])).toMatchObject([{ status: "ok" }]);
    await caller.end("commit");
    expect(await balance(observer.client, "waited", "root", "tokens")).toEqual(["1000", "993", "0", "7"]);
    expect(await audit(observer.client, "waited")).toEqual([]);
  });

  it("that looked before a submit committed loses with 40001", async () => {
    await plant(observer.client, "looked", [openRoot()]);
    await caller.begin();
    expect(await balance(caller.client, "looked", "root", "tokens")).toEqual(["1000", "1000", "0", "0"]);
    expect(await submitter.submit("looked", [meter(5)])).toMatchObject([{ status: "ok" }]);
    await expect(caller.apply("looked", [meter(7)])).rejects.toMatchObject({ code: "40001" });
    expect(await submitter.submit("looked", [meter(5)])).toMatchObject([{ status: "ok" }]);
    await caller.end("rollback");
    expect(await balance(observer.client, "looked", "root", "tokens")).toEqual(["1000", "990", "0", "10"]);
    expect(await audit(observer.client, "looked")).toEqual([]);
  });

  it("commits the caller's rows and the spend together, or neither", async () => {
    await plant(observer.client, "jobs", [openRoot()]);
    await caller.client.query("create table jobs (id int primary key)");
    for (const [id, ending] of [
      [1, "rollback"],
      [2, "commit"],
    ] as const) {
      await caller.begin();
      await caller.client.query("insert into jobs values ($1)", [id]);
      await caller.apply("jobs", [meter(id)]);
      await caller.end(ending);
    }
    expect((await observer.client.query("select id from jobs")).rows).toEqual([{ id: 2 }]);
    expect(await balance(observer.client, "jobs", "root", "tokens")).toEqual(["1000", "998", "0", "2"]);
    expect(await audit(observer.client, "jobs")).toEqual([]);
  });
});

describe("many of both on one pool", () => {
  const ROUNDS = 40;

  it("book everything once; only transactions lose, and only with 40001", async () => {
    await plant(observer.client, "both", [openRoot()]);
    const losses: string[] = [];
    const transactions = async (session: Session): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) losses.push(...(await applyPatiently(session, "both", [meter(1)])));
    };
    const submits = async (session: Session): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) {
        expect(await session.submit("both", [meter(1)])).toMatchObject([{ status: "ok" }]);
      }
    };
    await Promise.all([transactions(caller), transactions(gate), submits(submitter), submits(observer)]);
    console.log(`apply beside submit: ${losses.length} lost of ${2 * ROUNDS} transactions, 0 of ${2 * ROUNDS} submits`);
    expect(losses.filter((state) => state !== "40001")).toEqual([]);
    expect(await balance(observer.client, "both", "root", "tokens")).toEqual(["1000", "840", "0", "160"]);
    expect(await audit(observer.client, "both")).toEqual([]);
  });
});
