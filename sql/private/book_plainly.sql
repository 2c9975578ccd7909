-- A plain meter (ledger_private.plain_meter), or settlement of a leaf, by few statements: an open pool that pays for itself, dollars known or
-- estimated, nothing sealed. The answer; null where it is not so, and nothing of it stays. The general path (op_meter, op_settle) says the same
-- at length: a test books every vector both ways. The answer is kept without the result, which ledger_private.replay finds in the journal.
-- p_priced: the operation with what it is estimated to cost (ledger_private.priced). p_common: it says no more than ledger_private.common_meter or
-- common_settle let it, so that the rest need not be looked for: what is not executed costs nothing.
create or replace function ledger_private.book_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_priced jsonb,
  p_common boolean,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_spend constant jsonb := p_priced -> 'spend';
  v_operation_id constant text := p_operation ->> 'operation_id';
  v_pool_id text := p_operation ->> 'pool_id';
  v_node_id text := v_pool_id;
  v_place tid; -- of the node that is settled
  v_kind text := 'metered';
  v_outcome text;
  v_run_id text;
  v_tags jsonb;
  v_token_charge text;
  v_budget jsonb;
  v_hold jsonb;
  v_iterations numeric := v_spend -> 'iterations';
  v_input_tokens constant numeric := v_spend -> 'input_tokens';
  v_output_tokens constant numeric := v_spend -> 'output_tokens';
  v_cache_read_tokens numeric;
  v_cache_write_tokens numeric;
  v_cache_write_hour_tokens numeric;
  v_reasoning_tokens numeric;
  v_tokens numeric := v_input_tokens + v_output_tokens; -- those charged
  v_usd numeric := v_spend ->> 'usd';
  v_ms numeric := v_spend -> 'ms';
  v_tokens_held numeric := 0;
  v_iterations_held numeric := 0;
  v_usd_held numeric := 0;
  v_tokens_unknown integer;
  v_usd_unknown integer;
  v_usd_uncertain numeric;
  -- what is seldom said
  v_effective_at timestamptz := p_at;
  v_tool_calls jsonb;
  v_detail jsonb;
  v_verdict jsonb;
  v_reason text;
  v_infra boolean;
  -- how far it is
  v_step integer := 1; -- by which the pool's seq moves: one, and back again
  v_ended integer := 0; -- nodes that this ends
  v_channels text[] := '{tokens,iterations,usd}';
  v_moved integer;
  v_seq bigint;
begin
  if v_pool_id is not null then
    select p.run_id, p.tags, p.token_charge into v_run_id, v_tags, v_token_charge
    from ledger_private.pools p
    where p.tenant_id = p_tenant_id and p.pool_id = v_pool_id and p.state <> 'closed' and p.payers is null;
  else
    select n.node_id, n.ctid, p.pool_id, p.run_id, n.tags, p.token_charge, n.budget, n.hold
    into v_node_id, v_place, v_pool_id, v_run_id, v_tags, v_token_charge, v_budget, v_hold
    from ledger_private.nodes n
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
    ) p
    where n.tenant_id = p_tenant_id and n.node_id = p_operation ->> 'node_id' and not n.driver and n.ended_at is null
      and p.state <> 'closed' and p.payers is null and n.hold - '{tokens,iterations,usd}'::text[] = '{}';
    v_kind := 'settled';
    v_outcome := p_operation ->> 'outcome';
    v_ended := 1;
    v_tokens_held := coalesce((v_hold -> 'tokens')::numeric, 0);
    v_iterations_held := coalesce((v_hold -> 'iterations')::numeric, 0);
    v_usd_held := coalesce((v_hold -> 'usd')::numeric, 0);
  end if;
  if v_token_charge is null then
    return null;
  end if;
  if v_spend ?| '{cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens}' then
    v_cache_read_tokens := v_spend -> 'cache_read_tokens';
    v_cache_write_tokens := v_spend -> 'cache_write_tokens';
    v_cache_write_hour_tokens := v_spend -> 'cache_write_1h_tokens';
    v_reasoning_tokens := v_spend -> 'reasoning_tokens';
    if not ledger_private.plain_amounts(
      v_input_tokens, v_output_tokens, v_cache_read_tokens, v_cache_write_tokens, v_cache_write_hour_tokens, v_reasoning_tokens
    ) then
      return null;
    elsif v_token_charge = 'uncached' then
      v_tokens := v_tokens - coalesce(v_cache_read_tokens, 0);
    end if;
  end if;
  if p_operation ? 'tags' then
    v_tags := ledger_private.tags_of(v_tags, p_operation -> 'tags');
  end if;
  if not p_common then
    v_effective_at := coalesce((p_operation ->> 'effective_at')::timestamptz, p_at);
    v_tool_calls := p_operation -> 'tool_calls';
    v_detail := ledger_private.detail_of(p_priced);
    v_verdict := p_operation -> 'verdict';
    v_reason := p_operation ->> 'reason';
    v_infra := p_operation -> 'infra';
    if v_spend -> 'tokens_known' = 'false' then
      v_tokens_unknown := 1;
    end if;
    if v_spend -> 'usd_known' = 'false' then
      v_usd := coalesce(v_usd, ledger_private.amount(v_budget -> 'usd'));
      v_usd_uncertain := nullif(v_usd, 0);
      v_usd_unknown := 1;
      if v_usd is null then
        return null;
      end if;
    end if;
  end if;
  if v_iterations + v_iterations_held = 0 then
    v_channels := '{tokens,usd}';
  end if;

  -- what turns out late is taken back by the same statements: in a subtransaction a row that was written would still count as read
  loop
    update ledger_private.channels c
    set reserved = c.reserved - case c.channel when 'tokens' then v_tokens_held when 'usd' then v_usd_held else v_iterations_held end,
      committed = c.committed + case c.channel when 'tokens' then v_tokens when 'usd' then v_usd else v_iterations end,
      free = c.free + case c.channel
        when 'tokens' then v_tokens_held - v_tokens when 'usd' then v_usd_held - v_usd else v_iterations_held - v_iterations end
    where c.tenant_id = p_tenant_id and c.pool_id = v_pool_id and c.channel = any (v_channels) and c.seals = 0;
    get diagnostics v_moved = row_count;
    update ledger_private.pool_heads h
    set seq = h.seq + v_step, open_holds = h.open_holds - v_ended, undelivered = h.undelivered + v_ended
    where h.tenant_id = p_tenant_id and h.pool_id = v_pool_id
    returning h.seq into strict v_seq;
    if v_step < 0 then
      return null;
    end if;
    if v_moved = cardinality(v_channels) then -- else a row is sealed
      insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
      values (p_tenant_id, v_operation_id, ledger_private.digest_of(p_operation), v_pool_id, v_seq, p_at)
      on conflict do nothing;
      exit when found;
    end if;
    v_step := -1;
    v_ended := -v_ended;
    v_tokens := -v_tokens;
    v_tokens_held := -v_tokens_held;
    v_iterations := -v_iterations;
    v_iterations_held := -v_iterations_held;
    v_usd := -v_usd;
    v_usd_held := -v_usd_held;
  end loop;

  if v_tokens_unknown is not null or v_usd_unknown is not null then
    update ledger_private.channels c
    set uncertain = c.uncertain + case when c.channel = 'usd' then coalesce(v_usd_uncertain, 0) else 0 end,
      unknown = c.unknown + coalesce(case c.channel when 'usd' then v_usd_unknown else v_tokens_unknown end, 0)
    where c.tenant_id = p_tenant_id and c.pool_id = v_pool_id and c.channel in ('tokens', 'usd');
  end if;
  if v_ended = 1 then
    update ledger_private.nodes n
    set status = v_outcome, terminal_seq = v_seq, ended_at = p_at, verdict = v_verdict,
      out_ref = p_operation ->> 'out_ref', reason = v_reason, infra = v_infra
    where n.ctid = v_place;
  end if;
  -- what an event does not use or move is null
  if least(v_cache_read_tokens, v_cache_write_tokens, v_cache_write_hour_tokens, v_reasoning_tokens, v_ms) = 0 then
    v_cache_read_tokens := nullif(v_cache_read_tokens, 0);
    v_cache_write_tokens := nullif(v_cache_write_tokens, 0);
    v_cache_write_hour_tokens := nullif(v_cache_write_hour_tokens, 0);
    v_reasoning_tokens := nullif(v_reasoning_tokens, 0);
    v_ms := nullif(v_ms, 0);
  end if;
  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
    provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
    iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
    usd, ms, uncertain_usd, tokens_known, usd_known, tokens_held, iterations_held, usd_held,
    tokens_spent, iterations_spent, usd_spent, usd_uncertain, tokens_unknown, usd_unknown
  ) values (
    p_tenant_id, v_pool_id, v_seq, v_kind, v_operation_id, p_at, v_effective_at, v_run_id, v_node_id, v_tags,
    p_operation ->> 'provider', p_operation ->> 'model', p_operation ->> 'provider_request_id', p_operation ->> 'purpose',
    (p_operation -> 'turn')::integer, v_tool_calls, v_detail, v_outcome, v_verdict, p_operation ->> 'out_ref', v_reason, v_infra,
    v_iterations, v_input_tokens, v_output_tokens, v_cache_read_tokens, v_cache_write_tokens, v_cache_write_hour_tokens, v_reasoning_tokens, v_tokens,
    v_usd, v_ms, v_usd_uncertain, v_tokens_unknown is null, v_usd_unknown is null,
    -nullif(v_tokens_held, 0), -nullif(v_iterations_held, 0), -nullif(v_usd_held, 0),
    nullif(v_tokens, 0), nullif(v_iterations, 0), nullif(v_usd, 0), v_usd_uncertain, v_tokens_unknown, v_usd_unknown
  );
  if v_ended = 0 then
    return row('ok', null, null, v_pool_id, v_seq)::ledger_private.answer;
  end if;
  return row('ok', null, ledger_private.ending_json(row(
    v_iterations, v_input_tokens, v_output_tokens, coalesce(v_cache_read_tokens, 0), coalesce(v_cache_write_tokens, 0),
    coalesce(v_reasoning_tokens, 0), v_tokens, v_usd, coalesce(v_ms, 0), 0, 0, coalesce(v_usd_uncertain, 0),
    v_tokens_unknown is null, v_usd_unknown is null, null, coalesce(v_tokens_unknown, 0), 0, coalesce(v_usd_unknown, 0), 0,
    coalesce(v_cache_write_hour_tokens, 0)
  )::ledger_private.usage, v_budget), v_pool_id, v_seq)::ledger_private.answer;
end;
$$;
