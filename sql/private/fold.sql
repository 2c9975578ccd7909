-- As many operations of a batch as go together, from the first one on: those that are plain (ledger_private.steps) and have room. A handful of
-- statements books them, whatever their number, each row written once. Returns their answers, in order; none where not even the first is plain.
-- What stops a fold is decided by the general path: the fold holds no refusal and no error of its own. It moves balances before it knows that all is
-- well (ledger_private.move_pools); where it then finds that it cannot go on, nothing is in the journal yet: it puts everything back and folds what
-- stands before. Idempotency is its own business: operations are written with the place of their journal row, where their answer is found again.
create or replace function ledger_private.fold(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_steps constant ledger_private.step[] := ledger_private.plain_steps(p_tenant_id, p_operations, p_at);
  v_seqs bigint[]; -- by step
  v_children bigint[];
  v_drawn ledger_private.drawn[];
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
  v_made tid[];
  v_node_ids text[]; -- of children, by step; null where none is made
  v_stop integer;
begin
  if v_steps is null then
    return '{}';
  end if;
  select m.p_seqs, m.p_children, m.p_drawn, m.p_heads, m.p_rows into v_seqs, v_children, v_drawn, v_heads, v_rows
  from ledger_private.move_pools(p_tenant_id, v_steps) m;
  if exists (select from unnest(v_steps) s where s.op = 'spawn') then
    v_node_ids := array(
      select case when s.op = 'spawn' then coalesce(s.node_id, s.pool_id || ':s' || v_children[s.n]) end
      from unnest(v_steps) s
      order by s.n
    );
  end if;
  v_stop := ledger_private.stop_of(v_steps, v_rows, v_node_ids);
  if v_stop is null then
    select c.p_stop, c.p_operations, c.p_nodes into v_stop, v_claimed, v_made
    from ledger_private.claim_steps(p_tenant_id, v_steps, v_seqs, v_node_ids, p_at) c;
  end if;
  if v_stop is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, v_made);
    return case when v_stop > 1 then ledger_private.fold(p_tenant_id, p_operations[1:v_stop - 1], p_at) else '{}' end;
  end if;
  perform ledger_private.book_steps(p_tenant_id, v_steps, v_seqs, v_node_ids, v_drawn, p_at);
  return array(
    select row(
      'ok', null,
      case
        when s.op = 'spawn' then jsonb_build_object('node_id', v_node_ids[s.n])
        when s.op in ('settle', 'cancel') then ledger_private.ending_json(row(
          s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.reasoning_tokens, s.charged_tokens, s.usd,
          s.ms, 0, 0, s.uncertain_usd, s.tokens_unknown = 0, s.usd_unknown = 0, null, s.tokens_unknown, 0, s.usd_unknown, 0,
          s.cache_write_1h_tokens
        )::ledger_private.usage, s.budget)
      end,
      s.pool_id, v_seqs[s.n]
    )::ledger_private.answer
    from unnest(v_steps) s
    order by s.n
  );
end;
$$;
