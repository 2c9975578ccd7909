-- Journal rows stay as they were written: no update, delete or truncate, also for the owner; neither in the archive, nor what is recorded of it.
-- What leaves the journal for the archive passes tg_journal__leave and tg_usage_lines__leave.
create or replace function ledger_private.tg_journal__append_only()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  return null;
end;
$$;

create or replace trigger journal_append_only
before update on ledger_private.journal
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_no_truncate
before truncate on ledger_private.journal
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_append_only
before update on ledger_private.usage_lines
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_no_truncate
before truncate on ledger_private.usage_lines
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_archive_append_only
before update or delete on ledger_private.journal_archive
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_archive_no_truncate
before truncate on ledger_private.journal_archive
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_archive_append_only
before update or delete on ledger_private.usage_lines_archive
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_archive_no_truncate
before truncate on ledger_private.usage_lines_archive
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger archives_append_only
before update or delete on ledger_private.archives
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger archives_no_truncate
before truncate on ledger_private.archives
for each statement execute function ledger_private.tg_journal__append_only();
