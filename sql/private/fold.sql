-- A run of common operations at once: what they need is loaded, balances are folded in variables by the same rules the plain path uses, and
-- each row is written once. It goes as far as everything is as it expects: at the first operation that is malformed, refused, late, or names
-- what is not there, it stops, and the plain path decides. Returns the answers so far, in order; the caller goes on behind them.
-- Drawn channels, sealed rows and new nodes are folded too; pools that are closed and channels that do not exist yet are not.
create or replace function ledger_private.fold(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_answers ledger_private.answer[] := '{}';
  v_pools ledger_private.pools[];
  v_heads ledger_private.pool_heads[];
  v_rows ledger_private.channels[];
  v_events ledger_private.journal[] := '{}';
  v_nodes ledger_private.nodes[];
  v_loaded integer;
  v_pool_ids text[];
  v_node_ids text[];
  v_open boolean[];        -- by pool: does it take children now
  v_first integer[] := '{}'; -- by pool: its rows in v_rows
  v_last integer[] := '{}';
  v_made integer[] := '{}';  -- by new node: position of its spawn
  v_card constant jsonb := ledger_private.rate_card(p_tenant_id, p_operations);
  v_op jsonb;
  v_kind text;
  v_pool integer;
  v_node integer;
  v_new ledger_private.nodes;
  v_event ledger_private.journal;
  v_drawn ledger_private.journal;
  v_usage ledger_private.usage;
  v_moves ledger_private.move[];
  v_move ledger_private.move;
  v_slice ledger_private.channels[];
  v_payers ledger_private.channels[];
  v_before ledger_private.channels;
  v_row ledger_private.channels;
  v_head ledger_private.pool_heads;
  v_at integer[];
  v_payer integer;
  v_status text;
  v_extra jsonb;
  v_conflict integer;
begin
  v_nodes := ledger_private.load_nodes(p_tenant_id, array(
    select distinct o.op ->> 'node_id' from unnest(p_operations) o (op) where o.op ->> 'op' in ('settle', 'dispatch', 'cancel')
  ));
  v_loaded := cardinality(v_nodes);
  v_node_ids := array(select n.node_id from unnest(v_nodes) n);
  select l.p_pools, l.p_heads, l.p_rows into v_pools, v_heads, v_rows
  from ledger_private.load_pools(p_tenant_id, array(
    select o.op ->> 'pool_id' from unnest(p_operations) o (op) where o.op ->> 'op' in ('meter', 'spawn')
    union
    select n.parent_node_id from unnest(v_nodes) n where n.parent_node_id is not null
  )) l;
  v_pool_ids := array(select p.pool_id from unnest(v_pools) p);
  v_open := array(select ledger_private.refusal_of_spawn(p, false, p_at) is null from unnest(v_pools) p);
  for i in 1 .. coalesce(cardinality(v_rows), 0) loop
    v_pool := array_position(v_pool_ids, v_rows[i].pool_id);
    v_first[v_pool] := coalesce(v_first[v_pool], i);
    v_last[v_pool] := i;
  end loop;

  <<operations>>
  foreach v_op in array p_operations loop
    exit when ledger_private.misfit_of_operation(v_op, p_at) is not null;
    if v_card is not null then
      v_op := ledger_private.priced(v_op, v_card, coalesce(ledger_private.instant(v_op ->> 'effective_at'), p_at));
    end if;
    v_kind := v_op ->> 'op';
    v_extra := null;
    v_node := case when v_kind in ('settle', 'dispatch', 'cancel') then array_position(v_node_ids, v_op ->> 'node_id') end;
    v_pool := array_position(v_pool_ids, case when v_kind in ('meter', 'spawn') then v_op ->> 'pool_id' else v_nodes[v_node].parent_node_id end);
    exit when v_pool is null or v_pools[v_pool].state = 'closed';
    v_head := v_heads[v_pool];
    v_moves := '{}';

    -- what the operation says, as an event and its moves
    if v_kind = 'meter' then
      v_usage := ledger_private.usage_of(v_op -> 'spend', v_pools[v_pool].token_charge);
      v_event := ledger_private.with_usage(ledger_private.metered_event(v_pools[v_pool], v_op, p_at), v_usage);
      v_moves := ledger_private.moves_of(v_usage);

    elsif v_kind = 'spawn' then
      v_slice := v_rows[v_first[v_pool]:v_last[v_pool]];
      exit when not v_open[v_pool] or ledger_private.misfit_of_budget(v_slice, v_op -> 'budget', '') is not null;
      v_new := ledger_private.new_node(
        p_tenant_id, coalesce(v_op ->> 'node_id', v_pool_ids[v_pool] || ':s' || v_head.children), v_pool_ids[v_pool], v_op
      );
      exit when v_new.node_id = any (v_node_ids) or v_new.node_id = v_pool_ids[v_pool] or char_length(v_new.node_id) > 200;
      v_new.hold := ledger_private.hold_of(v_slice, v_new.budget);
      v_event := ledger_private.event(v_pools[v_pool], 'spawned', v_op, p_at);
      foreach v_move in array ledger_private.holding(v_new.hold) loop
        for i in 1 .. cardinality(v_slice) loop
          if v_slice[i].channel = v_move.channel then
            v_slice[i] := ledger_private.moved(v_slice[i], v_move, v_pools[v_pool].unknown_usd = 'seal');
          end if;
        end loop;
        v_event := ledger_private.with_move(v_event, v_move, 0, 0);
      end loop;
      v_payers := v_slice;
      for i in 1 .. cardinality(v_slice) loop
        if v_slice[i].payer_pool_id is distinct from v_pool_ids[v_pool] then
          v_payers[i] := (select r from unnest(v_rows) r where r.pool_id = v_slice[i].payer_pool_id and r.channel = v_slice[i].channel);
        end if;
      end loop;
      exit when ledger_private.refusal_of_budget(v_slice, v_payers, v_new.budget) is not null;
      v_rows[v_first[v_pool]:v_last[v_pool]] := v_slice;
      v_new.run_id := v_pools[v_pool].run_id;
      v_new.tags := v_event.tags;
      v_new.spawned_at := p_at;
      v_new.lease_at := p_at + (v_op ->> 'lease_ms')::double precision * interval '1 millisecond';
      v_event.node_id := v_new.node_id;
      v_nodes := v_nodes || v_new;
      v_node_ids := v_node_ids || v_new.node_id;
      v_made := v_made || (cardinality(v_answers) + 1);
      v_head.open_holds := v_head.open_holds + 1;
      v_head.children := v_head.children + 1;
      v_head.next_lease_at := least(v_head.next_lease_at, v_new.lease_at);
      v_extra := jsonb_build_object('node_id', v_new.node_id);

    elsif v_kind = 'dispatch' then
      exit when v_nodes[v_node].status <> 'pending';
      v_event := ledger_private.event(v_pools[v_pool], 'dispatched', v_op, p_at);
      v_event.node_id := v_nodes[v_node].node_id;
      v_event.tags := ledger_private.tags_of(v_nodes[v_node].tags, v_op -> 'tags');

    else
      exit when v_nodes[v_node].driver or v_nodes[v_node].ended_at is not null or (v_kind = 'settle' and not v_op ? 'spend');
      v_status := case v_kind when 'settle' then v_op ->> 'outcome' else 'cancelled' end;
      v_usage := case
        when v_op ? 'spend' then ledger_private.usage_of(v_op -> 'spend', v_pools[v_pool].token_charge, v_nodes[v_node].budget)
        else ledger_private.unreported_usage(v_nodes[v_node])
      end;
      v_event := ledger_private.event(v_pools[v_pool], case v_kind when 'settle' then 'settled' else 'cancelled' end, v_op, p_at);
      v_event := ledger_private.with_usage(ledger_private.with_ending(v_event, v_nodes[v_node], v_status, v_op), v_usage);
      v_moves := ledger_private.moves_of(v_usage, v_nodes[v_node].hold);
      v_extra := jsonb_build_object(
        'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, v_nodes[v_node].budget)
      );
    end if;

    -- where its rows are; a channel that does not exist yet is made on the plain path
    v_at := '{}';
    foreach v_move in array v_moves loop
      for i in v_first[v_pool] .. v_last[v_pool] loop
        if v_rows[i].channel = v_move.channel then
          v_at := v_at || i;
        end if;
      end loop;
    end loop;
    exit when cardinality(v_at) < cardinality(v_moves);

    -- the moves
    for m in 1 .. cardinality(v_moves) loop
      v_before := v_rows[v_at[m]];
      v_row := ledger_private.moved(v_before, v_moves[m], v_pools[v_pool].unknown_usd = 'seal');
      v_rows[v_at[m]] := v_row;
      v_event := ledger_private.with_move(v_event, v_moves[m], 0, v_row.remainder - v_before.remainder);
    end loop;
    v_head.seq := v_head.seq + 1;
    v_event.seq := v_head.seq;
    if v_kind in ('settle', 'cancel') then
      v_head.open_holds := v_head.open_holds - 1;
      v_head.undelivered := v_head.undelivered + 1;
      v_nodes[v_node] := ledger_private.ended(v_nodes[v_node], v_status, v_head.seq, v_op, p_at);
    elsif v_kind = 'dispatch' then
      v_new := v_nodes[v_node];
      v_new.status := 'dispatched';
      v_new.dispatched_at := p_at;
      v_nodes[v_node] := v_new;
    end if;
    v_heads[v_pool] := v_head;
    v_events := v_events || v_event;
    v_answers := v_answers || ledger_private.ok(v_pool_ids[v_pool], v_head.seq, v_extra);

    -- what other pools pay of it: one `drawn` row each
    for v_payer in
      select distinct array_position(v_pool_ids, r.payer_pool_id)
      from unnest(v_at) with ordinality a (at, m)
      cross join lateral (select (v_rows[a.at]).payer_pool_id) r
      where ledger_private.draws(v_moves[a.m], v_rows[a.at])
      order by 1
    loop
      v_drawn := ledger_private.event_for(v_pools[v_payer], 'drawn', v_event, v_event.node_id);
      for m in 1 .. cardinality(v_moves) loop
        continue when not ledger_private.draws(v_moves[m], v_rows[v_at[m]]) or v_rows[v_at[m]].payer_pool_id <> v_pool_ids[v_payer];
        v_move := v_moves[m];
        v_move.held := 0;
        for i in v_first[v_payer] .. v_last[v_payer] loop
          continue when v_rows[i].channel <> v_move.channel;
          v_before := v_rows[i];
          v_row := ledger_private.moved(v_before, v_move, v_pools[v_payer].unknown_usd = 'seal');
          v_rows[i] := v_row;
          v_drawn := ledger_private.with_move(v_drawn, v_move, 0, v_row.remainder - v_before.remainder);
        end loop;
      end loop;
      v_head := v_heads[v_payer];
      v_head.seq := v_head.seq + 1;
      v_heads[v_payer] := v_head;
      v_drawn.seq := v_head.seq;
      v_events := v_events || v_drawn;
    end loop;
  end loop;

  -- new nodes first: where one is in the way, only what stands before it is folded
  v_conflict := ledger_private.insert_nodes(v_nodes[v_loaded + 1:]);
  if v_conflict is not null then
    return ledger_private.fold(p_tenant_id, p_operations[1:v_made[v_conflict] - 1], p_at);
  end if;
  perform ledger_private.store_fold(v_heads, v_rows, v_nodes[1:v_loaded], v_events);
  return v_answers;
end;
$$;
