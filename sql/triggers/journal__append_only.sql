-- Journal rows stay as they were written: no update, delete or truncate, also for the owner.
create or replace function ledger_private.tg_journal__append_only()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'journal_append_only',
    table = tg_table_name,
    schema = tg_table_schema,
    message = format('the journal is append-only: %s is not allowed', lower(tg_op)),
    hint = 'book the difference with a correct operation';
end;
$$;

create or replace trigger journal_append_only
before update or delete on ledger_private.journal
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_no_truncate
before truncate on ledger_private.journal
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_append_only
before update or delete on ledger_private.usage_lines
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_no_truncate
before truncate on ledger_private.usage_lines
for each statement execute function ledger_private.tg_journal__append_only();
