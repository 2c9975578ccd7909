/** Hints: who follows a tenant hears that something may have moved, and hears nothing else. */
import type pg from "pg";
import { beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import type { Books } from "../books.js";
import { openPool } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
let books: Books;
let follower: pg.Client;
let heard: pg.Notification[];

beforeEach(async () => {
  books = await ledger.open();
  follower = await ledger.database.connect();
  heard = [];
  follower.on("notification", (notification) => heard.push(notification));
});

async function follow(tenantId: string): Promise<string> {
  return (await follower.query("select ledger.follow($1) as channel", [tenantId])).rows[0].channel;
}

/** What the follower has been told by now: what was sent before arrives with the answer to a query after it. */
async function hints(): Promise<string[]> {
  await follower.query("select");
  return heard.splice(0).map(({ channel, payload }) => `${channel}(${payload})`);
}

describe("follow and announce", () => {
  it("reach who follows that tenant, without saying anything", async () => {
    const channel = await follow(books.tenantId);
    expect(await hints()).toEqual([]);
    await books.rows("select ledger.announce($1)");
    expect(await hints()).toEqual([`${channel}()`]);
    const other = await ledger.open();
    await other.rows("select ledger.announce($1)");
    expect(await hints()).toEqual([]);
  });

  it("go over a channel that names nobody, and no other tenant has", async () => {
    const other = await ledger.open();
    const channels = [await follow(books.tenantId), await follow(other.tenantId)];
    expect(new Set(channels).size).toBe(2);
    for (const channel of channels) expect(channel).toMatch(/^ledger_[0-9a-f]{40}$/);
    expect(await follow(books.tenantId)).toBe(channels[0]);
  });

  it("are silent where the transaction is rolled back, and where somebody writes", async () => {
    await follow(books.tenantId);
    await books.client.query("begin");
    await books.rows("select ledger.announce($1)");
    await books.client.query("rollback");
    await books.ok(openPool("p"));
    expect(await hints()).toEqual([]);
  });

  it("end with unlisten", async () => {
    const channel = await follow(books.tenantId);
    await follower.query(`unlisten ${channel}`);
    await books.rows("select ledger.announce($1)");
    expect(await hints()).toEqual([]);
  });

  it("are for members: auditors follow, and do not announce", async () => {
    const url = await createLoginRole(ledger.database, { memberOf: "ledger_auditor", tenantId: books.tenantId });
    const auditor = await connect(url);
    try {
      expect((await auditor.query("select ledger.follow($1) as channel", [books.tenantId])).rows).toEqual([
        { channel: await follow(books.tenantId) },
      ]);
      await expect(auditor.query("select ledger.announce($1)", [books.tenantId])).rejects.toMatchObject({
        code: "42501",
      });
      await expect(auditor.query("select ledger.follow('another')")).rejects.toMatchObject({ code: "LG009" });
    } finally {
      await auditor.end();
    }
  });

  it.each(["follow", "announce"])("%s knows no tenant that is none", async (name) => {
    await expect(books.client.query(`select ledger.${name}('nobody')`)).rejects.toMatchObject({ code: "LG012" });
  });
});
