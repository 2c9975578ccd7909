-- Tells the followers of a tenant (ledger.follow) that something may have moved. No payload: what moved is read by seq (ledger.events).
-- The write path itself does not notify: a transaction that notified takes one lock over all commits of the server until its own commit is
-- flushed, so every write of every tenant would queue up behind the disk. Clients announce after their calls, in a transaction of its own, and
-- not more often than followers want to look. Who writes without announcing is seen at the followers' next look.
-- Raises: LG009, LG012.
create or replace function ledger.announce(p_tenant_id text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  perform pg_notify(ledger_private.channel_of(p_tenant_id), '');
end;
$$;
comment on function ledger.announce(text) is 'Hints to the followers of a tenant that something may have moved.';
revoke all on function ledger.announce(text) from public;
grant execute on function ledger.announce(text) to ledger_admin, ledger_writer;
