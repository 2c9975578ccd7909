/** `sql/schema.snapshot.sql` is what the migrations make. `npm run db:snapshot` writes it. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { migrateToCurrent } from "../../src/database/migrate.js";
import { schemaSnapshot } from "../../src/database/snapshot.js";
import { startServer, type TestServer } from "../setup/server.js";
import { read } from "./sources.js";

// The server that comes with the package, whatever the other tests run on: definitions are printed by the server.
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ version: "embedded" });
});

afterAll(async () => {
  await server?.stop();
});

it("is not stale", async () => {
  await migrateToCurrent(server.url);
  const client = await connect(server.url);
  const fresh = await schemaSnapshot(client);
  await client.end();
  expect(read("sql/schema.snapshot.sql"), "stale: npm run db:snapshot").toBe(fresh);
});

it("shows every part of a schema that could change unnoticed", () => {
  const snapshot = read("sql/schema.snapshot.sql");
  for (const part of [
    /^create table ledger_private\.journal \($/m,
    /^ {2}constraint channels_capped_adds_up CHECK/m,
    /^ {2}constraint usage_lines_event_fkey FOREIGN KEY/m,
    /^CREATE UNIQUE INDEX journal_terminal_once /m,
    /^CREATE TRIGGER journal_append_only /m,
    /^create policy reader_one on ledger_private\.blobs /m,
    /^alter table ledger_private\.blobs force row level security;$/m,
    /^grant select on table ledger_private\.nodes to ledger_auditor;$/m,
    /^CREATE OR REPLACE FUNCTION ledger\.apply\(/m,
    /^grant execute on function ledger\.apply\(text,jsonb,boolean\) to ledger_writer;$/m,
    /^create view ledger\.channels with \(security_invoker=true\) as$/m,
    /^comment on view ledger\.channels is /m,
  ]) {
    expect(snapshot).toMatch(part);
  }
});
