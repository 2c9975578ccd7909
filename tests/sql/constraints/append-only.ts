/** Attempts to change what is written, by the superuser and by the owner of the tables. */
import { type Breach, copyOf } from "./breach.js";

const ATTEMPTS = [
  {
    rule: "journal_append_only",
    title: "changes a journal row",
    sql: "update ledger_private.journal set reason = 'better'",
  },
  {
    rule: "journal_leave",
    title: "deletes journal rows",
    sql: "delete from ledger_private.journal j where j.kind = 'metered'",
  },
  {
    rule: "journal_no_truncate",
    title: "empties the journal",
    sql: "truncate ledger_private.journal, ledger_private.usage_lines, ledger_private.plans",
    alsoBreaks: ["usage_lines_no_truncate"],
  },
  {
    rule: "usage_lines_append_only",
    title: "changes a usage line",
    sql: "update ledger_private.usage_lines set model = 'cheaper'",
  },
  { rule: "usage_lines_leave", title: "deletes usage lines", sql: "delete from ledger_private.usage_lines" },
  { rule: "usage_lines_no_truncate", title: "empties the usage lines", sql: "truncate ledger_private.usage_lines" },
  ...["journal_archive", "usage_lines_archive", "archives"].flatMap((table) => [
    {
      rule: `${table}_append_only`,
      title: `changes a row of ${table}`,
      sql: `update ledger_private.${table} set pool_id = 'top'`,
    },
    { rule: `${table}_append_only`, title: `deletes rows of ${table}`, sql: `delete from ledger_private.${table}` },
    { rule: `${table}_no_truncate`, title: `empties ${table}`, sql: `truncate ledger_private.${table}` },
  ]),
  {
    rule: "journal_archive_enter",
    title: "archives what no journal holds",
    sql: copyOf("journal_archive", "seq = 1", { seq: 900 }),
  },
  {
    rule: "usage_lines_archive_enter",
    title: "archives a line that none states",
    sql: copyOf("usage_lines_archive", "line = 0", { line: 900 }),
  },
];

const WHO = [{ name: "the superuser" }, { name: "the owner", as: "ledger_owner" }];

export const APPEND_ONLY_BREACHES: readonly Breach[] = WHO.flatMap(({ name, ...as }) =>
  ATTEMPTS.map((attempt) => ({
    ...attempt,
    ...as,
    title: `${name} ${attempt.title}`,
    sqlstate: "23001",
    constraint: "journal_append_only",
  })),
);
