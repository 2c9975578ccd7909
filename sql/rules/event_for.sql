-- A journal row that one pool's event causes in another: it carries the causing operation and names its source. No usage yet.
create or replace function ledger_private.event_for(
  p_pool ledger_private.pools,
  p_kind text,
  p_source ledger_private.journal,
  p_node_id text
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.journal;
begin
  v.tenant_id := p_pool.tenant_id;
  v.pool_id := p_pool.pool_id;
  v.run_id := p_pool.run_id;
  v.kind := p_kind;
  v.node_id := p_node_id;
  v.operation_id := p_source.operation_id;
  v.recorded_at := p_source.recorded_at;
  v.recorded_by := p_source.recorded_by;
  v.effective_at := p_source.effective_at;
  v.source_pool_id := p_source.pool_id;
  v.source_seq := p_source.seq;
  return v;
end;
$$;
