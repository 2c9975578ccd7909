-- Rows enter the archive only as they are in the journal, to the byte: what is archived is a copy, and nothing else gets in.
create or replace function ledger_private.tg_journal_archive__enter()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from come g
    where not exists (
      select from ledger_private.journal k
      where k.tenant_id = g.tenant_id and k.pool_id = g.pool_id and k.seq = g.seq and k *= g
    )
  ) then
    perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  end if;
  return null;
end;
$$;

create or replace trigger journal_archive_enter
after insert on ledger_private.journal_archive
referencing new table as come
for each statement execute function ledger_private.tg_journal_archive__enter();
