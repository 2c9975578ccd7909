--! Previous: sha1:5e06509ed76b904ef96a39236fb6dce801cb0c5b
--! Hash: sha1:f404bec26edfd0580f08e60ea74c7c5975cd6c26
--! Message: supervised-agents

-- What supervision stands on: the task of a keyed child, calls that are announced, and what of a run nobody has reported.

set local role ledger_owner;

alter table ledger_private.nodes add column if not exists task_ref text;
alter table ledger_private.nodes drop constraint if exists nodes_task_ref_sha256;
alter table ledger_private.nodes add constraint nodes_task_ref_sha256 check (task_ref ~ '^sha256:[0-9a-f]{64}$');

-- A driver spawned without tags had JSON null for those of its pool, and a list of it and theirs for whoever inherited them.
do $$
declare
  v_table text;
begin
  foreach v_table in array array['pools', 'nodes'] loop
    execute format(
      'update ledger_private.%I r set tags = (
        select jsonb_object_agg(t.key, t.value order by l.n)
        from jsonb_array_elements(case jsonb_typeof(r.tags) when ''array'' then r.tags else ''[]'' end) with ordinality l (part, n)
        cross join lateral jsonb_each(case jsonb_typeof(l.part) when ''object'' then l.part else ''{}'' end) t
      )
      where jsonb_typeof(r.tags) <> ''object''', v_table
    );
  end loop;
end
$$;

--! Included rules/rule_text.sql
-- What a value of a named kind must be, in words: result.rule of an LG001.
create or replace function ledger_private.rule_text(p_kind text)
returns text
language sql
immutable
parallel safe
return case p_kind
  when 'id' then 'must be a text of 1 to 200 characters without control characters'
  when 'text' then 'must be a text of at most 10000 characters'
  when 'count' then 'must be a whole number from 0 to 9007199254740991'
  when 'whole' then 'must be a whole number from -9007199254740991 to 9007199254740991'
  when 'money' then 'must be a number or decimal text from 0 to below 10^15 with at most 12 decimals'
  when 'change' then 'must be a number or decimal text between -10^15 and 10^15 with at most 12 decimals'
  when 'rate' then 'must be a number or decimal text of dollars per million from 0 to below 10^12 with at most 6 decimals'
  when 'match' then 'must be exact, dated, prefix or contains'
  when 'token_class' then 'must be input, cache_read, cache_write, cache_write_1h, output, reasoning or request'
  when 'duration_ms' then 'must be a whole number of milliseconds from 1 to 315360000000'
  when 'small' then 'must be a whole number from 0 to 2147483647'
  when 'flag' then 'must be true or false'
  when 'score' then 'must be a finite number'
  when 'json' then 'must be JSON other than null of at most 100000 bytes'
  when 'names' then 'must be a list of at most 1000 texts of at most 200 characters'
  when 'tags' then 'must be at most 16 pairs of short texts: keys up to 64, values up to 256 characters'
  when 'instant' then 'must be an ISO 8601 instant with a time zone'
  when 'outcome' then 'must be done or down'
  when 'digest' then 'must be a text of the form sha256:<64 hex digits, in lower case>'
  when 'purpose' then 'must be turn, compaction, failed or tool'
  when 'unknown_usd' then 'must be seal or flag'
  when 'token_charge' then 'must be total or uncached'
  when 'replicate' then 'must be a short text or a whole number'
  when 'own' then 'is a channel of its own, not a resource'
  when 'lines' then 'must be a list of 1 to 1000 lines'
end;
--! EndIncluded rules/rule_text.sql
--! Included rules/fits.sql
-- Whether a JSON value is of a named kind (the kinds of ledger_private.shape). Unknown kinds fit nothing.
create or replace function ledger_private.fits(p_kind text, p_value jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_type constant text := jsonb_typeof(p_value);
  v_number numeric;
begin
  case p_kind
    when 'id' then
      return v_type = 'string' and char_length(p_value #>> '{}') between 1 and 200 and (p_value #>> '{}') !~ '[[:cntrl:]]';
    when 'text' then
      return v_type = 'string' and char_length(p_value #>> '{}') <= 10000;
    when 'count', 'whole' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(v_number = trunc(v_number) and v_number <= 9007199254740991
        and v_number >= case p_kind when 'count' then 0 else -9007199254740991 end, false);
    when 'money', 'change', 'rate' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(scale(trim_scale(v_number)) <= case p_kind when 'rate' then 6 else 12 end and (v_number >= 0 or p_kind = 'change')
        and abs(v_number) < case p_kind when 'rate' then 1e12 else 1e15 end, false);
    when 'duration_ms' then
      return v_type = 'number' and p_value::numeric between 1 and 315360000000 and trunc(p_value::numeric) = p_value::numeric;
    when 'small' then
      return v_type = 'number' and p_value::numeric between 0 and 2147483647 and trunc(p_value::numeric) = p_value::numeric;
    when 'flag' then
      return v_type = 'boolean';
    when 'score' then
      return v_type = 'number' and abs(p_value::numeric) < 1e15;
    when 'json' then
      return v_type <> 'null' and octet_length(p_value::text) <= 100000;
    when 'names' then
      return v_type = 'array' and jsonb_array_length(p_value) <= 1000
        and not exists (
          select from jsonb_array_elements(p_value) e (name)
          where jsonb_typeof(e.name) <> 'string' or char_length(e.name #>> '{}') > 200
        );
    when 'tags' then
      return v_type = 'object'
        and (select count(*) <= 16 and coalesce(bool_and(jsonb_typeof(t.value) = 'string' and char_length(t.value #>> '{}') <= 256
               and char_length(t.key) between 1 and 64), true) from jsonb_each(p_value) t);
    when 'instant' then
      return v_type = 'string' and ledger_private.instant(p_value #>> '{}') is not null;
    when 'outcome' then return p_value in ('"done"', '"down"');
    when 'digest' then return v_type = 'string' and p_value #>> '{}' ~ '^sha256:[0-9a-f]{64}$';
    when 'purpose' then
      return p_value in ('"turn"', '"compaction"', '"failed"', '"tool"');
    when 'match' then return p_value in ('"exact"', '"dated"', '"prefix"', '"contains"');
    when 'token_class' then
      return v_type = 'string' and p_value #>> '{}' ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$';
    when 'unknown_usd' then
      return p_value in ('"seal"', '"flag"');
    when 'token_charge' then return p_value in ('"total"', '"uncached"');
    when 'replicate' then
      return ledger_private.fits('id', p_value) or ledger_private.fits('count', p_value);
    when 'lines' then
      return v_type = 'array' and jsonb_array_length(p_value) between 1 and 1000;
    else
      return false;
  end case;
end;
$$;
--! EndIncluded rules/fits.sql
--! Included rules/shape.sql
-- The keys of an operation (besides those of 'any'), of a spend, of a usage line and of a price: name -> kind (ledger_private.fits), 'spend', or
-- the shape of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an operation that does not exist.
-- 'call' is a dispatch that names a pool: a driver's own call.
create or replace function ledger_private.shape(p_op text)
returns jsonb
language sql
immutable
parallel safe
return case p_op
  when 'any' then '{
    "op": "id", "operation_id": "id", "effective_at": "instant", "tags": "tags"
  }'::jsonb
  when 'spend' then '{
    "!": ["iterations", "input_tokens", "output_tokens"],
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "cache_write_1h_tokens": "count", "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'line' then '{
    "!": [], "provider": "id", "model": "id", "provider_request_id": "id",
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "cache_write_1h_tokens": "count", "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'price' then '{
    "!": ["provider", "model", "token_class", "usd_per_million"],
    "provider": "id", "model": "id", "match": "match", "token_class": "token_class", "usd_per_million": "rate",
    "above_input_tokens": "count", "valid_from": "instant", "valid_to": "instant", "source": "id"
  }'::jsonb
  when 'meter' then '{
    "!": ["pool_id", "spend"],
    "pool_id": "id", "turn": "small", "tool_calls": "names", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'spawn' then '{
    "!": ["pool_id", "label", "budget"],
    "pool_id": "id", "node_id": "id", "label": "id", "runtime": "id", "key": "id", "task_ref": "digest", "lease_ms": "duration_ms", "driver": "flag",
    "budget": {"!": [], "tokens": "count", "iterations": "count", "usd": "money", "*": "money"}
  }'::jsonb
  when 'settle' then '{
    "!": ["node_id", "outcome"],
    "node_id": "id", "outcome": "outcome", "verdict": "json", "out_ref": "id", "reason": "text", "infra": "flag",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'cancel' then '{
    "!": ["node_id", "reason"],
    "node_id": "id", "reason": "text",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'correct' then '{
    "!": ["of", "spend", "reason"],
    "of": "id", "reason": "text", "tool_calls": "names", "lines": "lines", "spend": "spend"
  }'::jsonb
  when 'dispatch' then '{
    "!": ["node_id"],
    "node_id": "id"
  }'::jsonb
  when 'call' then '{
    "!": ["pool_id", "meter_id"],
    "pool_id": "id", "meter_id": "id", "turn": "small", "provider": "id", "model": "id", "purpose": "purpose", "detail": "json"
  }'::jsonb
  when 'extend' then '{
    "!": ["node_id", "lease_ms"],
    "node_id": "id", "lease_ms": "duration_ms"
  }'::jsonb
  when 'deliver' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'open_pool' then '{
    "!": ["pool_id", "channels"],
    "pool_id": "id", "deadline_ms": "duration_ms", "max_depth": "small", "unknown_usd": "unknown_usd", "token_charge": "token_charge",
    "parent_pool_id": "id",
    "channels": {
      "!": [], "tokens": {"!": [], "total": "count", "unit": "id"}, "iterations": {"!": [], "total": "count", "unit": "id"},
      "*": {"!": [], "total": "money", "unit": "id"}
    },
    "run": {"!": ["label"], "label": "id", "experiment": "id", "arm": "id", "task": "id", "replicate": "replicate"}
  }'::jsonb
  when 'fund' then '{
    "!": ["pool_id", "amounts"],
    "pool_id": "id", "amounts": {"!": [], "tokens": "whole", "iterations": "whole", "*": "change"}
  }'::jsonb
  when 'expire' then '{
    "!": [],
    "pool_id": "id"
  }'::jsonb
  when 'freeze' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'thaw' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'close_pool' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'judge' then '{
    "!": ["run_id", "resolved"],
    "run_id": "id", "resolved": "flag", "score": "score", "infra": "flag"
  }'::jsonb
  when 'plan' then '{
    "!": ["pool_id", "experiment", "plan_ref"],
    "pool_id": "id", "experiment": "id", "plan_ref": "id"
  }'::jsonb
end;
--! EndIncluded rules/shape.sql
--! Included rules/misfit_of_operation.sql
-- What is malformed about an operation, as far as the operation alone tells: {path, rule} of the LG001, or null.
create or replace function ledger_private.misfit_of_operation(p_operation jsonb, p_at timestamptz)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shape jsonb;
  v_misfit jsonb;
begin
  if jsonb_typeof(p_operation) is distinct from 'object' then
    return jsonb_build_object('path', '', 'rule', 'an operation must be an object');
  elsif not coalesce(ledger_private.fits('id', p_operation -> 'operation_id'), false) then
    return jsonb_build_object('path', 'operation_id', 'rule', 'is required: ' || ledger_private.rule_text('id'));
  end if;
  v_shape := case
    when p_operation ->> 'op' = 'dispatch' and p_operation ? 'pool_id' and not p_operation ? 'node_id' then ledger_private.shape('call')
    when p_operation ->> 'op' not in ('any', 'spend', 'line', 'price', 'call') then ledger_private.shape(p_operation ->> 'op')
  end;
  if v_shape is null then
    return jsonb_build_object('path', 'op', 'rule', format('%s is no operation of the ledger', coalesce(p_operation -> 'op', 'null')));
  end if;
  if p_operation ->> 'op' = 'dispatch' and (p_operation ? 'node_id') = (p_operation ? 'pool_id') then
    return jsonb_build_object('path', 'node_id', 'rule', 'is required, or pool_id in its place: a hold, or a call of a driver''s own; not both');
  end if;
  v_misfit := ledger_private.misfit(p_operation, v_shape, '', ledger_private.shape('any'));
  if v_misfit is not null then
    return v_misfit;
  elsif ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return jsonb_build_object('path', 'effective_at', 'rule', 'must not be in the future');
  elsif p_operation #> '{detail,price_book}' is not null then
    return jsonb_build_object('path', 'detail.price_book', 'rule', 'is written by the ledger: the book that an estimate came from');
  elsif p_operation -> 'meter_id' = p_operation -> 'operation_id' then
    return jsonb_build_object('path', 'meter_id', 'rule', 'is the id of the meter operation to come, not of this one');
  elsif p_operation ? 'spend' then
    v_misfit := ledger_private.misfit_of_spend(p_operation -> 'spend', 'spend.');
  end if;
  if v_misfit is null and p_operation ? 'lines' then
    v_misfit := case
      when p_operation ? 'spend' then ledger_private.misfit_of_lines(p_operation -> 'lines', p_operation -> 'spend')
      else jsonb_build_object('path', 'lines', 'rule', 'needs the spend that the lines add up to')
    end;
  end if;
  return v_misfit;
end;
$$;
--! EndIncluded rules/misfit_of_operation.sql
--! Included rules/new_node.sql
-- A node row as it is before anything happened to it.
create or replace function ledger_private.new_node(
  p_tenant_id text,
  p_node_id text,
  p_parent_node_id text,
  p_operation jsonb
)
returns ledger_private.nodes
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.nodes;
begin
  v.tenant_id := p_tenant_id;
  v.node_id := p_node_id;
  v.parent_node_id := p_parent_node_id;
  v.driver := coalesce((p_operation -> 'driver')::boolean, false);
  v.label := p_operation ->> 'label';
  v.runtime := p_operation ->> 'runtime';
  v.key := p_operation ->> 'key';
  v.task_ref := p_operation ->> 'task_ref';
  v.superseded := false;
  v.budget := coalesce(p_operation -> 'budget', '{}');
  v.hold := '{}';
  v.status := 'pending';
  v.late := false;
  return v;
end;
$$;
--! EndIncluded rules/new_node.sql
--! Included rules/foldable.sql
-- Whether an operation may stand in a fold: the common ones, in their common form. The rest take the plain path.
create or replace function ledger_private.foldable(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation ->> 'op' in ('meter', 'spawn', 'settle', 'dispatch', 'cancel')
  and not p_operation ?| array['key', 'driver', 'lines', 'meter_id'];
--! EndIncluded rules/foldable.sql
--! Included private/keyed.sql
-- What a key says about a spawn that found something in its way: an answer (the child that is done, duplicate-key, key-conflict), or null where
-- no child has that key, or the last one that had it ended otherwise.
-- What the key stands for is the task, where task_ref states it, and then that alone: a piece of work that failed may be tried again with more
-- room, under another label. Else it is label and budget. Stated for one of the two only, nobody can tell that they are the same: a conflict.
create or replace function ledger_private.keyed(p_node ledger_private.nodes)
returns ledger_private.answer
language plpgsql
stable
as $$
declare
  v_other ledger_private.nodes;
begin
  select * into v_other from ledger_private.nodes n
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
  return case
    when v_other.node_id is null then null
    when v_other.task_ref is distinct from p_node.task_ref
      or (p_node.task_ref is null and (v_other.label <> p_node.label or v_other.budget <> p_node.budget))
      then ledger_private.refused(p_node.parent_node_id, '{"code": "key-conflict"}')
    when v_other.status = 'done'
      then ledger_private.ok(p_node.parent_node_id, null, jsonb_build_object('node_id', v_other.node_id, 'existing', true))
    when v_other.ended_at is null then ledger_private.refused(p_node.parent_node_id, '{"code": "duplicate-key"}')
  end;
end;
$$;
--! EndIncluded private/keyed.sql
--! Included operations/spawn.sql
-- spawn: a child of a pool with a hold for its ceilings; a driver gets a pool of its own, funded by exactly its reservation.
-- Errors: LG002, LG001 (budget), LG011. Refusals: all but not-free, in their order.
create or replace function ledger_private.op_spawn(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_node ledger_private.nodes;
  v_answer ledger_private.answer;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_node := ledger_private.new_node(p_tenant_id, p_operation ->> 'node_id', v_pool.pool_id, p_operation);
  v_node.lease_at := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_answer := ledger_private.reserve(v_pool, v_node, p_operation, 'budget.', p_at);
  if v_node.driver and v_answer.status = 'ok' and v_answer.seq is not null then
    perform ledger_private.open_child(
      ledger_private.new_pool(v_pool, v_answer.result ->> 'node_id', jsonb_strip_nulls(jsonb_build_object('tags', p_operation -> 'tags')), p_at),
      ledger_private.channels_of(v_node.budget),
      p_operation, p_at, v_answer.seq
    );
  end if;
  return v_answer;
end;
$$;
--! EndIncluded operations/spawn.sql
--! Included private/dispatch_call.sql
-- Announces a call of a driver's own before the provider can bill it: `dispatched` in its pool, on the node that owns the pool, whose spend the
-- call will be. No balance moves. meter_id: the operation id under which the call will be metered; whether it was is not looked up here, since
-- that would read what others write: ledger.calls_in_doubt tells. So announcing a call twice, or after it was metered, writes a row that adds
-- no doubt. What the caller gave as detail stands under `detail`, beside meter_id.
-- Errors: LG002. Refusals: pool-closed (its driver has ended: there is no call to make; what was made is metered, late).
create or replace function ledger_private.dispatch_call(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  end if;
  v_event := ledger_private.event(v_pool, 'dispatched', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  v_event.turn := (p_operation -> 'turn')::integer;
  v_event.detail := jsonb_build_object('meter_id', p_operation -> 'meter_id')
    || case when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail') else '{}' end;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event));
end;
$$;
--! EndIncluded private/dispatch_call.sql
--! Included operations/dispatch.sql
-- dispatch: from here the provider may bill, for a hold (node_id) or for a call of a driver's own (pool_id, ledger_private.dispatch_call).
-- Repeating it for a hold is ok. Errors: LG002, LG003, LG001 (a root holds nothing), LG004. Refusals: pool-closed, for a call.
create or replace function ledger_private.op_dispatch(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes;
  v_failed ledger_private.answer;
  v_event ledger_private.journal;
begin
  if p_operation ? 'pool_id' then
    return ledger_private.dispatch_call(p_tenant_id, p_operation, p_at);
  end if;
  v_node := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_failed := ledger_private.no_open_hold(v_node, p_operation);
  if v_failed.status is not null then
    return v_failed;
  elsif v_node.status = 'dispatched' then
    return ledger_private.ok(v_node.parent_node_id, null);
  end if;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.parent_node_id), 'dispatched', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.tags := ledger_private.tags_of(v_node.tags, p_operation -> 'tags');
  update ledger_private.nodes n set status = 'dispatched', dispatched_at = p_at where n.tenant_id = p_tenant_id and n.node_id = v_node.node_id;
  return ledger_private.ok(v_node.parent_node_id, ledger_private.post(v_event));
end;
$$;
--! EndIncluded operations/dispatch.sql
--! Included views/nodes.sql
-- The tree: every agent, worker or request with its hold, lease, place in delivery and end. lapsed: the lease (its own, else that of the
-- nearest driver above) has passed and its end is not booked yet. terminal_seq: where in its parent's journal the row is that ended it.
-- superseded: another child has its key by now.
create or replace view ledger.nodes
with (security_invoker = true)
as
select
  n.tenant_id, n.node_id, n.parent_node_id, n.run_id, n.driver, n.label, n.runtime, n.key, n.status,
  n.budget, n.hold, coalesce(n.lease_at, i.lease_at) as lease_at,
  n.ended_at is null and coalesce(coalesce(n.lease_at, i.lease_at) <= statement_timestamp(), false) as lapsed,
  n.cursor, case when n.ended_at is not null then n.status end as outcome, n.verdict, n.out_ref, n.reason, n.infra, n.tags,
  n.spawned_at, n.dispatched_at, n.ended_at, n.task_ref, n.terminal_seq, n.superseded
from ledger_private.nodes n
left join lateral (
  with recursive above as (
    select p.parent_node_id, p.lease_at
    from ledger_private.nodes p
    where p.tenant_id = n.tenant_id and p.node_id = n.parent_node_id and n.lease_at is null and n.ended_at is null
    union all
    select p.parent_node_id, p.lease_at
    from above a
    join ledger_private.nodes p on p.tenant_id = n.tenant_id and p.node_id = a.parent_node_id
    where a.lease_at is null
  )
  select a.lease_at from above a where a.lease_at is not null
) i on true;
comment on view ledger.nodes is 'Every node with status, hold, lease and end.';
comment on column ledger.nodes.parent_node_id is 'null: at the top';
comment on column ledger.nodes.run_id is 'null: outside any run';
comment on column ledger.nodes.runtime is 'null: not stated';
comment on column ledger.nodes.key is 'null: none';
comment on column ledger.nodes.lease_at is 'null: no lease, or ended without one of its own';
comment on column ledger.nodes.cursor is 'null: not delivered';
comment on column ledger.nodes.outcome is 'null: not ended';
comment on column ledger.nodes.verdict is 'null: none';
comment on column ledger.nodes.out_ref is 'null: none';
comment on column ledger.nodes.reason is 'null: not stated';
comment on column ledger.nodes.infra is 'null: not stated';
comment on column ledger.nodes.tags is 'null: none';
comment on column ledger.nodes.dispatched_at is 'null: never dispatched';
comment on column ledger.nodes.ended_at is 'null: not ended';
comment on column ledger.nodes.task_ref is 'null: not stated';
comment on column ledger.nodes.terminal_seq is 'null: not ended, or at the top';
revoke all on ledger.nodes from public;
grant select on ledger.nodes to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/nodes.sql
--! Included views/trajectory.sql
-- The tree of a run with spend. own: a leaf's ending, a driver's metered turns, with their corrections; a driver's `settled` row and `drawn`
-- rows are transfers, not spend. rolled_up: own and everything below.
-- Only drivers have something below, so only their pools are walked and summed up: each once, whatever the shape of the tree. In tree order (`key`)
-- a driver opens before all below it and closes after them; its rolled-up spend is what has run up between. An only child keeps its parent's key,
-- so a chain's keys do not grow; siblings append their place, one byte or four, none of which begins as the closing one does.
-- What a pool's nodes spent is grouped pool by pool: no aggregate or join here is larger than its input, or depends on what was ever analysed.
-- A path is as long as its node is deep, so paths are a walk of their own, which the planner leaves out where none is asked for.
create or replace view ledger.trajectory
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, x.*
from ledger_private.runs r
cross join lateral (
  with recursive drivers as (
    select r.run_id as pool_id, 0 as depth, '\x'::bytea as key
    union all
    select
      c.pool_id, d.depth + 1,
      case
        when c.siblings = 1 then d.key
        when c.place < 128 then d.key || substring(int4send(c.place::integer) from 4)
        else d.key || int4send((c.place - 2147483648)::integer)
      end
    from drivers d
    cross join lateral (
      select p.pool_id, row_number() over () as place, count(*) over () as siblings
      from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = d.pool_id
    ) c
  ),
  spent as (
    select d.key, d.depth, d.pool_id, s.*
    from drivers d
    cross join lateral (
      with by_node as materialized (
        select
          j.node_id,
          coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
          coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
          coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
          coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
          coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
          coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
          coalesce(sum(j.usd_unknown), 0) as usd_unknown
        from ledger_private.journal j
        where j.tenant_id = r.tenant_id and j.pool_id = d.pool_id
          and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
        group by j.node_id
      )
      select false as whole, b.* from by_node b
      union all
      select
        true, null,
        sum(b.iterations), sum(b.input_tokens), sum(b.output_tokens), sum(b.cache_read_tokens), sum(b.cache_write_tokens), sum(b.reasoning_tokens),
        sum(b.charged_tokens), sum(b.usd), sum(b.ms), sum(b.uncertain_tokens), sum(b.uncertain_iterations), sum(b.uncertain_usd),
        sum(b.tokens_unknown), sum(b.usd_unknown)
      from by_node b
    ) s
  ),
  edges as (
    select s.*, true as closing, s.key || '\xff'::bytea as at, -s.depth as place from spent s where s.whole
    union all
    select
      s.key, s.depth, s.pool_id, true, null,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      false, s.key, s.depth
    from spent s where s.whole
  ),
  running as (
    select
      e.pool_id, e.closing,
      sum(e.iterations) over in_tree_order as iterations, sum(e.input_tokens) over in_tree_order as input_tokens,
      sum(e.output_tokens) over in_tree_order as output_tokens, sum(e.cache_read_tokens) over in_tree_order as cache_read_tokens,
      sum(e.cache_write_tokens) over in_tree_order as cache_write_tokens, sum(e.reasoning_tokens) over in_tree_order as reasoning_tokens,
      sum(e.charged_tokens) over in_tree_order as charged_tokens, sum(e.usd) over in_tree_order as usd, sum(e.ms) over in_tree_order as ms,
      sum(e.uncertain_tokens) over in_tree_order as uncertain_tokens, sum(e.uncertain_iterations) over in_tree_order as uncertain_iterations,
      sum(e.uncertain_usd) over in_tree_order as uncertain_usd, sum(e.tokens_unknown) over in_tree_order as tokens_unknown,
      sum(e.usd_unknown) over in_tree_order as usd_unknown
    from edges e
    window in_tree_order as (order by e.at, e.place rows unbounded preceding)
  ),
  rolled as (
    select
      c.pool_id,
      c.iterations - o.iterations as iterations, c.input_tokens - o.input_tokens as input_tokens, c.output_tokens - o.output_tokens as output_tokens,
      c.cache_read_tokens - o.cache_read_tokens as cache_read_tokens, c.cache_write_tokens - o.cache_write_tokens as cache_write_tokens,
      c.reasoning_tokens - o.reasoning_tokens as reasoning_tokens, c.charged_tokens - o.charged_tokens as charged_tokens, c.usd - o.usd as usd,
      c.ms - o.ms as ms, c.uncertain_tokens - o.uncertain_tokens as uncertain_tokens,
      c.uncertain_iterations - o.uncertain_iterations as uncertain_iterations, c.uncertain_usd - o.uncertain_usd as uncertain_usd,
      c.tokens_unknown - o.tokens_unknown as tokens_unknown, c.usd_unknown - o.usd_unknown as usd_unknown
    from running c
    join running o on o.pool_id = c.pool_id and not o.closing
    where c.closing
  ),
  paths as (
    select r.run_id as pool_id, array[r.run_id] as path
    union all
    select c.pool_id, p.path || array[c.pool_id]
    from paths p
    cross join lateral (
      select c.pool_id from ledger_private.pools c
      where c.tenant_id = r.tenant_id and c.parent_pool_id = p.pool_id
      offset 0
    ) c
  ),
  members as (
    select n.node_id, n.parent_node_id, 0 as depth, n.label, n.runtime, n.status
    from ledger_private.nodes n
    where n.tenant_id = r.tenant_id and n.node_id = r.run_id
    union all
    select n.node_id, n.parent_node_id, d.depth + 1, n.label, n.runtime, n.status
    from drivers d
    cross join lateral (
      select n.* from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.parent_node_id = d.pool_id
      offset 0
    ) n
  )
  select
    m.node_id, m.parent_node_id, m.depth, coalesce(a.path, '{}') || array[m.node_id] as path, m.label, m.runtime, m.status,
    coalesce(o.iterations, 0) as own_iterations, coalesce(o.input_tokens, 0) as own_input_tokens, coalesce(o.output_tokens, 0) as own_output_tokens,
    coalesce(o.cache_read_tokens, 0) as own_cache_read_tokens, coalesce(o.cache_write_tokens, 0) as own_cache_write_tokens,
    coalesce(o.reasoning_tokens, 0) as own_reasoning_tokens, coalesce(o.charged_tokens, 0) as own_charged_tokens,
    coalesce(trim_scale(o.usd), 0) as own_usd, coalesce(o.ms, 0) as own_ms, coalesce(o.uncertain_tokens, 0) as own_uncertain_tokens,
    coalesce(o.uncertain_iterations, 0) as own_uncertain_iterations, coalesce(trim_scale(o.uncertain_usd), 0) as own_uncertain_usd,
    coalesce(w.iterations, o.iterations, 0) as rolled_up_iterations, coalesce(w.input_tokens, o.input_tokens, 0) as rolled_up_input_tokens,
    coalesce(w.output_tokens, o.output_tokens, 0) as rolled_up_output_tokens,
    coalesce(w.cache_read_tokens, o.cache_read_tokens, 0) as rolled_up_cache_read_tokens,
    coalesce(w.cache_write_tokens, o.cache_write_tokens, 0) as rolled_up_cache_write_tokens,
    coalesce(w.reasoning_tokens, o.reasoning_tokens, 0) as rolled_up_reasoning_tokens,
    coalesce(w.charged_tokens, o.charged_tokens, 0) as rolled_up_charged_tokens, coalesce(trim_scale(coalesce(w.usd, o.usd)), 0) as rolled_up_usd,
    coalesce(w.ms, o.ms, 0) as rolled_up_ms, coalesce(w.uncertain_tokens, o.uncertain_tokens, 0) as rolled_up_uncertain_tokens,
    coalesce(w.uncertain_iterations, o.uncertain_iterations, 0) as rolled_up_uncertain_iterations,
    coalesce(trim_scale(coalesce(w.uncertain_usd, o.uncertain_usd)), 0) as rolled_up_uncertain_usd,
    coalesce(w.tokens_unknown, o.tokens_unknown, 0) = 0 as rolled_up_tokens_known,
    coalesce(w.usd_unknown, o.usd_unknown, 0) = 0 as rolled_up_usd_known
  from members m
  left join spent o on o.node_id = m.node_id and not o.whole
  left join rolled w on w.pool_id = m.node_id
  left join (select p.pool_id, max(p.path) as path from paths p group by p.pool_id) a on a.pool_id = m.parent_node_id
  offset 0
) x;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
comment on column ledger.trajectory.parent_node_id is 'null: at the top';
comment on column ledger.trajectory.runtime is 'null: not stated';
revoke all on ledger.trajectory from public;
grant select on ledger.trajectory to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/trajectory.sql
--! Included views/settlements.sql
-- Children of a run's pools that have ended, leaves and drivers, with what their terminal row booked (corrections are not in it), the end as it
-- stands now (late: expired first, then settled), and where they are in the order of delivery. Each pool's journal is read once and grouped;
-- the rows are then found by key, because joined freely a database without statistics pairs every row with every other.
create or replace view ledger.settlements
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, p.pool_id, n.node_id, t.seq, n.cursor, d.recorded_at as delivered_at, d.seq as delivered_seq,
  n.label, n.runtime, n.key, n.driver, n.status as outcome, n.late, n.out_ref, n.verdict, n.reason, n.infra,
  t.iterations, t.input_tokens, t.output_tokens, coalesce(t.cache_read_tokens, 0) as cache_read_tokens,
  coalesce(t.cache_write_tokens, 0) as cache_write_tokens, coalesce(t.reasoning_tokens, 0) as reasoning_tokens, t.charged_tokens,
  trim_scale(t.usd) as usd, coalesce(t.ms, 0) as ms, coalesce(t.uncertain_tokens, 0) as uncertain_tokens,
  coalesce(t.uncertain_iterations, 0) as uncertain_iterations, coalesce(trim_scale(t.uncertain_usd), 0) as uncertain_usd,
  t.tokens_known, t.usd_known, t.resources,
  t.effective_at, t.recorded_at
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree a
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = a.pool_id
      offset 0
    ) c
  )
  select a.pool_id from tree a
) p
cross join lateral (
  select
    j.node_id, max(j.seq) filter (where j.kind <> 'delivered') as seq, max(j.seq) filter (where j.kind = 'delivered') as delivered_seq
  from ledger_private.journal j
  where j.tenant_id = r.tenant_id and j.pool_id = p.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
  group by j.node_id
) e
cross join lateral (
  select k.* from ledger_private.nodes k where k.tenant_id = r.tenant_id and k.node_id = e.node_id
  offset 0
) n
cross join lateral (
  select k.* from ledger_private.journal k where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.seq
  offset 0
) t
left join lateral (
  select k.seq, k.recorded_at from ledger_private.journal k
  where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.delivered_seq
  offset 0
) d on true;
comment on view ledger.settlements is 'Children of runs that have ended, with their artifact and their place in the order of delivery.';
comment on column ledger.settlements.cursor is 'null: not delivered';
comment on column ledger.settlements.delivered_at is 'null: not delivered';
comment on column ledger.settlements.delivered_seq is 'null: not delivered';
comment on column ledger.settlements.runtime is 'null: not stated';
comment on column ledger.settlements.key is 'null: none';
comment on column ledger.settlements.out_ref is 'null: none';
comment on column ledger.settlements.verdict is 'null: none';
comment on column ledger.settlements.reason is 'null: not stated';
comment on column ledger.settlements.infra is 'null: not stated';
comment on column ledger.settlements.usd is 'null: unknown';
comment on column ledger.settlements.resources is 'null: none';
revoke all on ledger.settlements from public;
grant select on ledger.settlements to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/settlements.sql
--! Included views/calls_in_doubt.sql
-- Calls of the drivers of a run that were announced and not metered: the provider may have billed them, and nobody said what. One row per
-- meter_id, of its first announcement. Each pool's journal is read once and grouped; the rows are then found by key.
create or replace view ledger.calls_in_doubt
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, p.pool_id, c.seq, c.meter_id, j.turn, j.purpose, j.provider, j.model, j.detail -> 'detail' as detail,
  j.recorded_at as dispatched_at
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = t.pool_id
      offset 0
    ) c
  )
  select t.pool_id from tree t
) p
cross join lateral (
  select m.meter_id, min(m.seq) as seq
  from (
    select
      case k.kind when 'metered' then k.operation_id else k.detail ->> 'meter_id' end as meter_id, k.seq, k.kind = 'metered' as metered
    from ledger_private.journal k
    where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.node_id = p.pool_id and k.kind in ('metered', 'dispatched')
    offset 0
  ) m
  group by m.meter_id
  having not bool_or(m.metered)
) c
cross join lateral (
  select k.turn, k.purpose, k.provider, k.model, k.detail, k.recorded_at
  from ledger_private.journal k
  where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = c.seq
  offset 0
) j;
comment on view ledger.calls_in_doubt is 'Calls of drivers that were announced and not metered.';
comment on column ledger.calls_in_doubt.turn is 'null: not stated';
comment on column ledger.calls_in_doubt.purpose is 'null: not stated';
comment on column ledger.calls_in_doubt.provider is 'null: not stated';
comment on column ledger.calls_in_doubt.model is 'null: not stated';
comment on column ledger.calls_in_doubt.detail is 'null: none';
revoke all on ledger.calls_in_doubt from public;
grant select on ledger.calls_in_doubt to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/calls_in_doubt.sql
--! Included views/run_costs.sql
-- What each run of an experiment cost, one row per run, and what stands in the way of comparing it: open holds, unknown and uncertain usage.
-- left_out: an infra run takes its (task, replicate) out of every arm, null being a value. open_holds: nodes of the run that have not ended,
-- below its root; the root too where the run stands under a parent pool; and calls of its drivers that were announced and not metered
-- (ledger.calls_in_doubt, asked only where any was announced). Once the run has ended such a call is lost: it counts as unknown usage, no
-- longer as open. Pools of the run are walked, not its leaves.
create or replace view ledger.run_costs
with (security_invoker = true)
as
select
  r.tenant_id, r.experiment, r.arm, r.task, r.replicate, r.run_id,
  case when r.infra then 'infra' when r.beside_infra then 'paired' end as left_out,
  r.outcome, r.resolved, r.opened_at, p.token_charge,
  s.iterations as iterations, s.input_tokens as input_tokens, s.output_tokens as output_tokens, s.cache_read_tokens as cache_read_tokens,
  s.cache_write_tokens as cache_write_tokens, s.reasoning_tokens as reasoning_tokens, s.charged_tokens as charged_tokens,
  trim_scale(s.usd) as usd, s.ms as ms, s.uncertain_tokens as uncertain_tokens, s.uncertain_iterations as uncertain_iterations,
  trim_scale(s.uncertain_usd) as uncertain_usd, s.tokens_unknown + d.lost = 0 as tokens_known,
  s.usd_unknown + d.lost = 0 as usd_known,
  trim_scale(s.usd - s.uncertain_usd) as receipt_usd, trim_scale(s.uncertain_usd) as estimated_usd, s.usd_seals + d.lost as unknown_usd_events,
  s.tokens_unknown + d.lost as unknown_tokens_events,
  s.open_holds + case when p.parent_pool_id is not null and r.outcome is null then 1 else 0 end + d.under_way as open_holds,
  s.first_spend_at
from (
  select u.*, bool_or(u.infra) over (partition by u.tenant_id, u.experiment, u.task, u.replicate) as beside_infra
  from ledger_private.runs u
  where u.experiment is not null
) r
cross join lateral (
  select p.parent_pool_id, p.token_charge from ledger_private.pools p where p.tenant_id = r.tenant_id and p.pool_id = r.run_id offset 0
) p
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select p.pool_id from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = t.pool_id
      offset 0
    ) c
  )
  select
    coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
    coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
    coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
    coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
    coalesce(sum(j.usd_unknown), 0) as usd_unknown, coalesce(sum(j.usd_seals), 0) as usd_seals,
    count(*) filter (where j.kind = 'dispatched') as announced,
    min(j.effective_at) filter (
      where j.charged_tokens > 0 or j.usd > 0 or not j.tokens_known or not j.usd_known or j.iterations > 0 or j.ms > 0
        or j.input_tokens > 0 or j.output_tokens > 0 or j.resources is not null
    ) as first_spend_at,
    (
      select coalesce(sum(h.open_holds), 0)
      from tree t
      cross join lateral (
        select h.open_holds from ledger_private.pool_heads h where h.tenant_id = r.tenant_id and h.pool_id = t.pool_id offset 0
      ) h
    ) as open_holds
  from tree t
  cross join lateral (
    select
      j.iterations, j.input_tokens, j.output_tokens, j.cache_read_tokens, j.cache_write_tokens, j.reasoning_tokens, j.charged_tokens, j.usd, j.ms,
      j.uncertain_tokens, j.uncertain_iterations, j.uncertain_usd, j.tokens_unknown, j.usd_unknown, j.usd_seals, j.effective_at, j.tokens_known,
      j.usd_known, j.resources, j.kind
    from ledger_private.journal j
    where j.tenant_id = r.tenant_id and j.pool_id = t.pool_id and j.source_pool_id is null
      and (j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected') or (j.kind = 'dispatched' and j.node_id = j.pool_id))
    offset 0
  ) j
) s
cross join lateral (
  select
    case when r.outcome is null then c.calls else 0 end as under_way,
    case when r.outcome is null then 0 else c.calls end as lost
  from (
    select
      case
        when s.announced > 0 then (select count(*) from ledger.calls_in_doubt k where k.tenant_id = r.tenant_id and k.run_id = r.run_id)
        else 0
      end as calls
    offset 0
  ) c
) d;
comment on view ledger.run_costs is 'What each run of an experiment cost, and whether it counts.';
comment on column ledger.run_costs.task is 'null: not stated';
comment on column ledger.run_costs.replicate is 'null: not stated';
comment on column ledger.run_costs.left_out is 'null: it counts; infra: judged so; paired: an infra run has the same task and replicate';
comment on column ledger.run_costs.outcome is 'null: not ended';
comment on column ledger.run_costs.resolved is 'null: not judged';
comment on column ledger.run_costs.first_spend_at is 'null: nothing spent';
revoke all on ledger.run_costs from public;
grant select on ledger.run_costs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/run_costs.sql
--! Included private/gate_nodes.sql
-- The nodes of runs that keep a gate from a verdict: not ended, with a call of their own under way, or with usage that is unknown or uncertain,
-- by channel; a call that was never metered is unknown once its run has ended.
create or replace function ledger_private.gate_nodes(p_tenant_id text, p_run_ids text[])
returns table (
  run_id text,
  node_id text,
  open boolean,
  tokens boolean,
  usd boolean
)
language plpgsql
stable
rows 1000
as $$
begin
  return query
  select r.run_id, x.node_id, bool_or(x.open), bool_or(x.tokens), bool_or(x.usd)
  from unnest(p_run_ids) r (run_id)
  cross join lateral (
    with recursive tree as (
      select r.run_id as pool_id
      union all
      select c.pool_id
      from tree t
      cross join lateral (
        select p.pool_id from ledger_private.pools p
        where p.tenant_id = p_tenant_id and p.parent_pool_id = t.pool_id
        offset 0
      ) c
    )
    select n.node_id, true as open, false as tokens, false as usd
    from tree t
    cross join lateral (
      select h.open_holds from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = t.pool_id offset 0
    ) h
    cross join lateral (
      select n.node_id from ledger_private.nodes n
      where n.tenant_id = p_tenant_id and n.parent_node_id = t.pool_id and n.ended_at is null and h.open_holds > 0
      offset 0
    ) n
    union all
    select n.node_id, true, false, false
    from ledger_private.nodes n
    where n.tenant_id = p_tenant_id and n.node_id = r.run_id and n.parent_node_id is not null and n.ended_at is null
    union all
    select d.pool_id, o.outcome is null, o.outcome is not null, o.outcome is not null
    from ledger_private.runs o
    join ledger.calls_in_doubt d on d.tenant_id = o.tenant_id and d.run_id = o.run_id
    where o.tenant_id = p_tenant_id and o.run_id = r.run_id
    union all
    select
      j.node_id, false, coalesce(sum(j.tokens_unknown), 0) <> 0 or coalesce(sum(j.uncertain_tokens), 0) <> 0,
      coalesce(sum(j.usd_unknown), 0) <> 0 or coalesce(sum(j.uncertain_usd), 0) <> 0
    from tree t
    cross join lateral (
      select j.* from ledger_private.journal j
      where j.tenant_id = p_tenant_id and j.pool_id = t.pool_id
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by j.node_id
  ) x
  where x.open or x.tokens or x.usd
  group by r.run_id, x.node_id;
end;
$$;
--! EndIncluded private/gate_nodes.sql
--! Included views/spend_gaps.sql
-- Nodes of a run of which the ledger does not know all, one row per node and gap. never-settled: a child that is open and holds something, was
-- dispatched or drives; its channels are those it holds (tokens and usd where it holds nothing). unreported: by tokens, usd or both, a node with
-- an event of unknown usage that nobody corrected, or a call in doubt (both). An estimate of dollars is no gap. A ceiling charged for silence is;
-- the journal has no word for it, so a leaf is taken to be charged so where its uncertain dollars are exactly its ceiling. What a seal took is
-- nobody's gap. Each pool's journal is read once and grouped by what it is asked; other rows are found by key.
create or replace view ledger.spend_gaps
with (security_invoker = true)
as
select r.tenant_id, r.run_id, x.node_id, x.gap, x.channels
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = t.pool_id
      offset 0
    ) c
  ),
  calls as (
    select
      t.pool_id, j.node_id, j.kind = 'metered' as metered, j.kind = 'dispatched' as announced,
      case j.kind when 'metered' then j.operation_id when 'dispatched' then j.detail ->> 'meter_id' end as meter_id,
      j.tokens_unknown, j.usd_unknown, j.usd_seals, j.uncertain_usd
    from tree t
    cross join lateral (
      select
        k.node_id, k.kind, k.operation_id, k.detail, k.tokens_unknown, k.usd_unknown, k.usd_seals, k.uncertain_usd
      from ledger_private.journal k
      where k.tenant_id = r.tenant_id and k.pool_id = t.pool_id and k.source_pool_id is null
        and (
          k.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
          or (k.kind = 'dispatched' and k.node_id = k.pool_id)
        )
      offset 0
    ) j
  ),
  by_call as (
    -- corrections and endings have no call of their own: they are one group per node
    select
      c.pool_id, c.node_id, bool_or(c.announced) and not bool_or(c.metered) as in_doubt, sum(c.tokens_unknown) as tokens_unknown,
      sum(c.usd_unknown) as usd_unknown, sum(c.usd_seals) as usd_seals, sum(c.uncertain_usd) as uncertain_usd
    from calls c
    group by c.pool_id, c.node_id, c.meter_id
  ),
  by_node as (
    select
      c.pool_id, c.node_id, bool_or(c.in_doubt) as in_doubt, coalesce(sum(c.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(c.usd_unknown), 0) as usd_unknown, coalesce(sum(c.usd_seals), 0) as usd_seals, coalesce(sum(c.uncertain_usd), 0) as uncertain_usd
    from by_call c
    group by c.pool_id, c.node_id
  )
  select
    n.node_id, 'never-settled' as gap,
    case
      when n.hold = '{}' then array['tokens', 'usd']
      else array(
        select k.channel from jsonb_object_keys(n.hold) k (channel)
        order by case k.channel when 'tokens' then 0 when 'iterations' then 1 when 'usd' then 2 else 3 end, k.channel collate "C"
      )
    end as channels
  from tree t
  cross join lateral (
    select h.open_holds from ledger_private.pool_heads h where h.tenant_id = r.tenant_id and h.pool_id = t.pool_id offset 0
  ) h
  cross join lateral (
    select k.node_id, k.hold from ledger_private.nodes k
    where k.tenant_id = r.tenant_id and k.parent_node_id = t.pool_id and k.ended_at is null and h.open_holds > 0
      and (k.hold <> '{}' or k.driver or k.dispatched_at is not null)
    offset 0
  ) n
  union all
  select g.node_id, 'unreported', array_remove(array[case when g.tokens then 'tokens' end, case when g.usd then 'usd' end], null)
  from (
    select
      b.node_id, b.in_doubt or b.tokens_unknown <> 0 as tokens,
      b.in_doubt or b.usd_seals <> 0 or (b.usd_unknown <> 0 and coalesce(b.uncertain_usd = k.ceiling, false)) as usd
    from by_node b
    left join lateral (
      select (n.budget ->> 'usd')::numeric as ceiling from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.node_id = b.node_id and b.usd_unknown <> 0 and b.node_id <> b.pool_id
      offset 0
    ) k on true
  ) g
  where g.tokens or g.usd
) x;
comment on view ledger.spend_gaps is 'Nodes of runs whose end or usage nobody has reported.';
revoke all on ledger.spend_gaps from public;
grant select on ledger.spend_gaps to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/spend_gaps.sql

revoke all on all functions in schema ledger_private from public;

reset role;
