-- A journal row as the operation that causes it describes it, with the book it was priced from and the tools it names; usage, moves and seq are
-- filled in later.
create or replace function ledger_private.event(
  p_pool ledger_private.pools,
  p_kind text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v ledger_private.journal;
begin
  v.tenant_id := p_pool.tenant_id;
  v.pool_id := p_pool.pool_id;
  v.run_id := p_pool.run_id;
  v.kind := p_kind;
  v.operation_id := p_operation ->> 'operation_id';
  v.recorded_at := p_at;
  v.recorded_by := session_user;
  v.effective_at := coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at);
  v.provider := p_operation ->> 'provider';
  v.model := p_operation ->> 'model';
  v.provider_request_id := p_operation ->> 'provider_request_id';
  v.purpose := p_operation ->> 'purpose';
  v.reason := p_operation ->> 'reason';
  v.tool_calls := p_operation -> 'tool_calls';
  v.detail := ledger_private.detail_of(p_operation);
  v.tags := ledger_private.tags_of(p_pool.tags, p_operation -> 'tags');
  return v;
end;
$$;
