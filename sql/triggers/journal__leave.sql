-- Journal rows leave only for the archive: each is there as it was, to the byte, and this very transaction has recorded that it went.
create or replace function ledger_private.tg_journal__leave()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from gone g
    where not exists (
      select from ledger_private.journal_archive k
      where k.tenant_id = g.tenant_id and k.pool_id = g.pool_id and k.seq = g.seq and k *= g
    ) or not exists (
      select from ledger_private.archives a
      where a.tenant_id = g.tenant_id and a.pool_id = g.pool_id and g.seq between a.first_seq and a.last_seq
        and a.xmin = pg_current_xact_id()::xid
    )
  ) then
    perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  end if;
  return null;
end;
$$;

create or replace trigger journal_leave
after delete on ledger_private.journal
referencing old table as gone
for each statement execute function ledger_private.tg_journal__leave();
