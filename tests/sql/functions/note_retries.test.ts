import { describe, expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import type { Books } from "../books.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const note = (books: Books, retries: unknown) => books.rows("select ledger.note_retries($1, $2)", retries);
const noted = async (books: Books) =>
  (await books.row("select retries_24h from ledger.health where tenant_id = $1")).retries_24h;
const kept = (books: Books) =>
  books.rows(
    "select hour = date_trunc('hour', now(), 'UTC') as now, role_name, retries from ledger_private.retries where tenant_id = $1 order by retries",
  );

describe("note_retries", () => {
  it("adds up per hour and login role, per tenant", async () => {
    const [books, other] = [await ledger.open(), await ledger.open()];
    await note(books, 3);
    await note(books, 4);
    await note(other, 100);
    const url = await createLoginRole(ledger.database, { memberOf: "ledger_writer", tenantId: books.tenantId });
    const writer = await connect(url);
    await writer.query("select ledger.note_retries($1, 20)", [books.tenantId]);
    await writer.end();
    expect(await noted(books)).toBe("27");
    expect(await kept(books)).toEqual([
      { now: true, role_name: "postgres", retries: "7" },
      { now: true, role_name: new URL(url).username, retries: "20" },
    ]);
  });

  it("shows a day of it and keeps 30", async () => {
    const books = await ledger.open();
    await note(books, 1);
    await books.rows(
      `insert into ledger_private.retries (tenant_id, hour, role_name, retries)
       select $1, date_trunc('hour', now(), 'UTC') - make_interval(hours => h), 'someone', 1000 + h from unnest('{23, 25, 719, 721}'::int[]) h`,
    );
    expect(await noted(books)).toBe("1024");
    await note(books, 1);
    expect((await kept(books)).map(({ retries }) => retries)).toEqual(["2", "1023", "1025", "1719"]);
  });

  it.each([0, -1, null])("takes no %s", async (retries) => {
    const books = await ledger.open();
    await expect(note(books, retries)).rejects.toMatchObject({ code: "LG001" });
    expect(await kept(books)).toEqual([]);
  });
});
