-- A plain meter (ledger_private.plain_meter), or settlement of a leaf, by few statements: an open pool that pays for itself, dollars known or
-- estimated, nothing sealed. The answer; null where it is not so, and nothing of it stays. The general path (op_meter, op_settle) says the same
-- at length: a test books every vector both ways. The answer is kept without the result, which ledger_private.replay finds in the journal.
-- p_priced: the operation with what it is estimated to cost (ledger_private.priced).
create or replace function ledger_private.book_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_priced jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_spend constant jsonb := p_priced -> 'spend';
  v_ends constant boolean := p_operation ->> 'op' = 'settle';
  v_node_id text;
  v_place tid; -- of the node
  v_pool_id text;
  v_run_id text;
  v_tags jsonb;
  v_token_charge text;
  v_budget jsonb;
  v_tokens_held numeric := 0;
  v_iterations_held numeric := 0;
  v_usd_held numeric := 0;
  v_tokens numeric;
  v_iterations constant numeric := v_spend -> 'iterations';
  v_usd numeric := v_spend ->> 'usd';
  v_uncertain_usd numeric := 0;
  v_tokens_unknown integer := 0;
  v_usd_unknown integer := 0;
  v_sign integer;
  v_moved integer;
  v_seq bigint;
  v_usage ledger_private.usage;
begin
  if v_ends then
    select
      n.node_id, n.ctid, p.pool_id, p.run_id, n.tags, p.token_charge, n.budget,
      coalesce((n.hold -> 'tokens')::numeric, 0), coalesce((n.hold -> 'iterations')::numeric, 0), coalesce((n.hold -> 'usd')::numeric, 0)
    into v_node_id, v_place, v_pool_id, v_run_id, v_tags, v_token_charge, v_budget, v_tokens_held, v_iterations_held, v_usd_held
    from ledger_private.nodes n
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
    ) p
    where n.tenant_id = p_tenant_id and n.node_id = p_operation ->> 'node_id' and not n.driver and n.ended_at is null
      and p.state <> 'closed' and p.payers is null and n.hold - '{tokens,iterations,usd}'::text[] = '{}';
  else
    select p.pool_id, p.pool_id, p.run_id, p.tags, p.token_charge into v_node_id, v_pool_id, v_run_id, v_tags, v_token_charge
    from ledger_private.pools p
    where p.tenant_id = p_tenant_id and p.pool_id = p_operation ->> 'pool_id' and p.state <> 'closed' and p.payers is null;
  end if;
  if v_pool_id is null then
    return null;
  end if;
  v_tokens := (v_spend -> 'input_tokens')::numeric + (v_spend -> 'output_tokens')::numeric;
  if v_token_charge = 'uncached' then
    v_tokens := v_tokens - coalesce((v_spend -> 'cache_read_tokens')::numeric, 0);
  end if;
  if v_spend -> 'usd_known' = 'false' then
    v_usd := coalesce(v_usd, ledger_private.amount(v_budget -> 'usd'));
    v_uncertain_usd := v_usd;
    v_usd_unknown := 1;
    if v_usd is null then
      return null;
    end if;
  end if;
  if v_spend -> 'tokens_known' = 'false' then
    v_tokens_unknown := 1;
  end if;

  -- what turns out late is taken back by the same statements: in a subtransaction a row that was written would still count as read
  foreach v_sign in array '{1,-1}'::integer[] loop
    update ledger_private.channels c
    set reserved = c.reserved - v_sign * d.held, committed = c.committed + v_sign * d.spent, free = c.free + v_sign * (d.held - d.spent),
      uncertain = c.uncertain + v_sign * d.uncertain, unknown = c.unknown + v_sign * d.unknown
    from (
      values
        ('tokens', v_tokens_held, v_tokens, 0, v_tokens_unknown),
        ('iterations', v_iterations_held, v_iterations, 0, 0),
        ('usd', v_usd_held, v_usd, v_uncertain_usd, v_usd_unknown)
    ) d (channel, held, spent, uncertain, unknown)
    cross join lateral (
      select k.ctid as place from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = v_pool_id and k.channel = d.channel and k.seals = 0
      limit 1
    ) k
    where d.held + d.spent + d.unknown > 0 and c.ctid = k.place;
    get diagnostics v_moved = row_count;

    update ledger_private.pool_heads h
    set seq = h.seq + v_sign, open_holds = h.open_holds - v_sign * v_ends::integer, undelivered = h.undelivered + v_sign * v_ends::integer
    where h.tenant_id = p_tenant_id and h.pool_id = v_pool_id
    returning h.seq into strict v_seq;
    if v_sign < 0 then
      return null;
    end if;

    continue when v_moved < (v_tokens + v_tokens_held + v_tokens_unknown > 0)::integer + (v_iterations + v_iterations_held > 0)::integer
      + (v_usd + v_usd_held + v_usd_unknown > 0)::integer; -- a row is sealed
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), v_pool_id, v_seq, p_at)
    on conflict do nothing;
    exit when found;
  end loop;

  if v_ends then
    update ledger_private.nodes n
    set status = p_operation ->> 'outcome', terminal_seq = v_seq, ended_at = p_at, verdict = p_operation -> 'verdict',
      out_ref = p_operation ->> 'out_ref', reason = p_operation ->> 'reason', infra = (p_operation -> 'infra')::boolean
    where n.ctid = v_place;
  end if;

  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
    provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
    iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    cache_write_1h_tokens, reasoning_tokens, charged_tokens,
    usd, ms, uncertain_usd, tokens_known, usd_known, tokens_held, tokens_spent, tokens_unknown,
    iterations_held, iterations_spent, usd_held, usd_spent, usd_uncertain, usd_unknown
  ) values (
    p_tenant_id, v_pool_id, v_seq, case when v_ends then 'settled' else 'metered' end, p_operation ->> 'operation_id', p_at,
    coalesce((p_operation ->> 'effective_at')::timestamptz, p_at), v_run_id, v_node_id, ledger_private.tags_of(v_tags, p_operation -> 'tags'),
    p_operation ->> 'provider', p_operation ->> 'model', p_operation ->> 'provider_request_id', p_operation ->> 'purpose',
    (p_operation -> 'turn')::integer, p_operation -> 'tool_calls', ledger_private.detail_of(p_priced),
    p_operation ->> 'outcome', p_operation -> 'verdict', p_operation ->> 'out_ref', p_operation ->> 'reason', (p_operation -> 'infra')::boolean,
    v_iterations, (v_spend -> 'input_tokens')::numeric, (v_spend -> 'output_tokens')::numeric,
    nullif((v_spend -> 'cache_read_tokens')::numeric, 0), nullif((v_spend -> 'cache_write_tokens')::numeric, 0),
    nullif((v_spend -> 'cache_write_1h_tokens')::numeric, 0), nullif((v_spend -> 'reasoning_tokens')::numeric, 0), v_tokens,
    v_usd, nullif((v_spend -> 'ms')::numeric, 0), nullif(v_uncertain_usd, 0), v_tokens_unknown = 0, v_usd_unknown = 0,
    -nullif(v_tokens_held, 0), nullif(v_tokens, 0), nullif(v_tokens_unknown, 0),
    -nullif(v_iterations_held, 0), nullif(v_iterations, 0),
    -nullif(v_usd_held, 0), nullif(v_usd, 0), nullif(v_uncertain_usd, 0), nullif(v_usd_unknown, 0)
  );
  if not v_ends then
    return row('ok', null, null, v_pool_id, v_seq)::ledger_private.answer;
  end if;
  v_usage := row(
    v_iterations, (v_spend -> 'input_tokens')::numeric, (v_spend -> 'output_tokens')::numeric, coalesce((v_spend -> 'cache_read_tokens')::numeric, 0),
    coalesce((v_spend -> 'cache_write_tokens')::numeric, 0), coalesce((v_spend -> 'reasoning_tokens')::numeric, 0), v_tokens, v_usd,
    coalesce((v_spend -> 'ms')::numeric, 0), 0, 0, v_uncertain_usd, v_tokens_unknown = 0, v_usd_unknown = 0, null, v_tokens_unknown, 0,
    v_usd_unknown, 0, coalesce((v_spend -> 'cache_write_1h_tokens')::numeric, 0)
  );
  return row('ok', null, ledger_private.ending_json(v_usage, v_budget), v_pool_id, v_seq)::ledger_private.answer;
end;
$$;
