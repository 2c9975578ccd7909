/** Attempts to change what is written, by the superuser and by the owner of the tables. */
import type { Breach } from "./breach.js";

const ATTEMPTS = [
  {
    rule: "journal_append_only",
    title: "changes a journal row",
    sql: "update ledger_private.journal set reason = 'better'",
  },
  {
    rule: "journal_append_only",
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
  { rule: "usage_lines_append_only", title: "deletes usage lines", sql: "delete from ledger_private.usage_lines" },
  { rule: "usage_lines_no_truncate", title: "empties the usage lines", sql: "truncate ledger_private.usage_lines" },
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
