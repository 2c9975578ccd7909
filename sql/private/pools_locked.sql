-- The pools that operations lock: those whose balances they move, and their payers. LG001 where the operations are no array, or so many that
-- their locks could use up what all sessions of the server share.
create or replace function ledger_private.pools_locked(p_tenant_id text, p_operations jsonb)
returns text[]
language plpgsql
stable
as $$
declare
  v_named text[];
  v_locked text[];
begin
  if jsonb_typeof(p_operations) is distinct from 'array' then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "operations must be an array"}');
  elsif jsonb_array_length(p_operations) > 1000 then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "a call takes at most 1000 operations: split it"}');
  end if;
  v_named := ledger_private.pools_named(p_tenant_id, p_operations);
  v_locked := array(
    select unnest(v_named)
    union
    select unnest(p.payers)
    from unnest(v_named) n (pool_id)
    cross join lateral (
      select p.payers from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.pool_id limit 1
    ) p
  );
  if cardinality(v_locked) > 3000 and jsonb_array_length(p_operations) > 1 then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "a call locks at most 3000 pools: split it"}');
  end if;
  return v_locked;
end;
$$;
