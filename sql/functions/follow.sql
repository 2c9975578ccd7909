-- Makes this session listen on the channel of a tenant (from the moment its transaction commits) and answers the channel's name. What arrives
-- there is a hint that something may have moved (ledger.announce), never news: read ledger.events after it, and now and then without it.
-- `unlisten` ends it; so does the connection's end.
-- Raises: LG009, LG012.
create or replace function ledger.follow(p_tenant_id text)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_channel constant text := ledger_private.channel_of(p_tenant_id);
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  execute format('listen %I', v_channel);
  return v_channel;
end;
$$;
comment on function ledger.follow(text) is 'Listens for hints that a tenant''s pools have moved; returns the channel.';
revoke all on function ledger.follow(text) from public;
grant execute on function ledger.follow(text) to ledger_admin, ledger_writer, ledger_auditor;
