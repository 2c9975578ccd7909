-- What keeps a run from being archived as an export holds it: {path, rule} of the LG001, or null. p_heads: the last seq of each pool in the export.
create or replace function ledger_private.misfit_of_archiving(
  p_tenant_id text,
  p_pool_ids text[],
  p_heads jsonb,
  p_export_digest text
)
returns jsonb
language plpgsql
stable
as $$
declare
  v_pool record;
begin
  if not coalesce(ledger_private.fits('digest', to_jsonb(p_export_digest)), false) then
    return jsonb_build_object('path', 'p_export_digest', 'rule', ledger_private.rule_text('digest'));
  elsif jsonb_typeof(p_heads) is distinct from 'object' then
    return '{"path": "p_heads", "rule": "must be an object: the last seq of each pool in the export"}';
  end if;
  for v_pool in
    select i.pool_id, k.state, k.seq
    from unnest(p_pool_ids) i (pool_id)
    cross join lateral (
      select p.state, h.seq from ledger_private.pools p
      join ledger_private.pool_heads h on h.tenant_id = p.tenant_id and h.pool_id = p.pool_id
      where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id
      offset 0
    ) k
  loop
    if v_pool.state <> 'closed' then
      return jsonb_build_object(
        'path', 'p_run_id', 'rule', format('must be closed with everything below it: pool %s is %s', v_pool.pool_id, v_pool.state)
      );
    elsif not ledger_private.fits('count', p_heads -> v_pool.pool_id) is true or (p_heads ->> v_pool.pool_id)::numeric > v_pool.seq then
      return jsonb_build_object(
        'path', 'p_heads', 'rule', format('must hold every pool of the run as it was exported: pool %s has %s rows', v_pool.pool_id, v_pool.seq)
      );
    end if;
  end loop;
  return null;
end;
$$;
