-- Moves a stretch of a pool's journal, with its usage lines, to the archive and records what it adds up to, in one transaction: what the triggers of
-- the journal let go is what is in the archive and recorded by this very transaction. Plans stay: their row is referred to.
create or replace function ledger_private.move_events(
  p_pool ledger_private.pools,
  p_first bigint,
  p_last bigint,
  p_run_id text,
  p_export_digest text
)
returns void
language plpgsql
as $$
declare
  v_tenant constant text := p_pool.tenant_id;
  v_pool constant text := p_pool.pool_id;
  v_sums jsonb;
  v_events bigint;
  v_lines bigint;
begin
  select jsonb_object_agg(c.channel, c.sums) into v_sums
  from (
    select m.channel, jsonb_build_object(
      'funded', trim_scale(coalesce(sum(m.funded), 0)), 'held', trim_scale(coalesce(sum(m.held), 0)),
      'spent', trim_scale(coalesce(sum(m.spent), 0)), 'uncertain', trim_scale(coalesce(sum(m.uncertain), 0)),
      'unknown', coalesce(sum(m.unknown), 0), 'seals', coalesce(sum(m.seals), 0), 'remainder', trim_scale(coalesce(sum(m.remainder), 0))
    ) as sums
    from ledger_private.moves m
    where m.tenant_id = v_tenant and m.pool_id = v_pool and m.seq between p_first and p_last
    group by m.channel
  ) c;
  insert into ledger_private.journal_archive
  select j.* from ledger_private.journal j
  where j.tenant_id = v_tenant and j.pool_id = v_pool and j.seq between p_first and p_last and j.kind <> 'planned';
  get diagnostics v_events = row_count;
  insert into ledger_private.usage_lines_archive
  select l.* from ledger_private.usage_lines l
  where l.tenant_id = v_tenant and l.pool_id = v_pool and l.seq between p_first and p_last;
  get diagnostics v_lines = row_count;
  insert into ledger_private.archives (tenant_id, pool_id, first_seq, last_seq, run_id, events, lines, sums, export_digest, archived_at, archived_by)
  values (v_tenant, v_pool, p_first, p_last, p_run_id, v_events, v_lines, v_sums, p_export_digest, clock_timestamp(), session_user);
  delete from ledger_private.usage_lines l
  where l.tenant_id = v_tenant and l.pool_id = v_pool and l.seq between p_first and p_last;
  delete from ledger_private.journal j
  where j.tenant_id = v_tenant and j.pool_id = v_pool and j.seq between p_first and p_last and j.kind <> 'planned';
end;
$$;
