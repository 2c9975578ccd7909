--! Previous: sha1:f404bec26edfd0580f08e60ea74c7c5975cd6c26
--! Hash: sha1:264fa6f333269a4a5b10cdd1a0c1b214110036f1
--! Message: spend of existing programs

-- What metering existing programs stands on: tools of a call and what became of them, what a call would cost.

set local role ledger_owner;

-- Tools of a call: their ids, digests of their arguments, what became of them.
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
  when 'tool_calls' then 'must be a list of at most 1000 tools: texts of at most 200 characters, or objects of name, id?, '
    || 'arguments? (sha256:<64 hex digits, in lower case>) and status? (ok or error)'
  when 'tool_results' then 'must be a list of at most 1000 objects of id (of the tool call) and status (ok or error)'
  when 'tool_status' then 'must be ok or error'
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
    when 'tool_calls', 'tool_results' then
      return v_type = 'array' and jsonb_array_length(p_value) <= 1000
        and not exists (
          select from jsonb_array_elements(p_value) e (tool)
          where case when p_kind = 'tool_calls' and jsonb_typeof(e.tool) = 'string' then char_length(e.tool #>> '{}') > 200
            else ledger_private.misfit(e.tool, ledger_private.shape(rtrim(p_kind, 's')), '') is not null end
        );
    when 'tool_status' then return p_value in ('"ok"', '"error"');
    when 'tags' then
      return v_type = 'object'
        and (select count(*) <= 16 and coalesce(bool_and(jsonb_typeof(t.value) = 'string' and char_length(t.value #>> '{}') <= 256
               and char_length(t.key) between 1 and 64), true) from jsonb_each(p_value) t);
    when 'instant' then
      return v_type = 'string' and ledger_private.instant(p_value #>> '{}') is not null;
    when 'outcome' then return p_value in ('"done"', '"down"');
    when 'digest' then return v_type = 'string' and p_value #>> '{}' ~ '^sha256:[0-9a-f]{64}$';
    when 'purpose' then return p_value in ('"turn"', '"compaction"', '"failed"', '"tool"');
    when 'match' then return p_value in ('"exact"', '"dated"', '"prefix"', '"contains"');
    when 'token_class' then
      return v_type = 'string' and p_value #>> '{}' ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$';
    when 'unknown_usd' then return p_value in ('"seal"', '"flag"');
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
-- The keys of an operation (besides those of 'any'), of a spend, a usage line, a price, a tool call and a tool's result: name -> kind
-- (ledger_private.fits), 'spend', or the shape of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an
-- operation that does not exist.
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
  when 'tool_call' then '{
    "!": ["name"],
    "name": "id", "id": "id", "arguments": "digest", "status": "tool_status"
  }'::jsonb
  when 'tool_result' then '{
    "!": ["id", "status"],
    "id": "id", "status": "tool_status"
  }'::jsonb
  when 'meter' then '{
    "!": ["pool_id", "spend"],
    "pool_id": "id", "turn": "small", "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
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
    "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'cancel' then '{
    "!": ["node_id", "reason"],
    "node_id": "id", "reason": "text", "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'correct' then '{
    "!": ["of", "spend", "reason"],
    "of": "id", "reason": "text", "tool_calls": "tool_calls", "lines": "lines", "spend": "spend"
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
    when p_operation ->> 'op' not in ('any', 'spend', 'line', 'price', 'call', 'tool_call', 'tool_result')
      then ledger_private.shape(p_operation ->> 'op')
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
  elsif p_operation #> '{detail,tool_results}' is not null then
    return jsonb_build_object('path', 'detail.tool_results', 'rule', 'is written by the ledger: send tool_results beside detail');
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
--! Included rules/detail_of.sql
-- The detail of an operation's journal row: what the caller gave, what it said became of tools, and the book its spend was priced from
-- (ledger_private.priced). What is no object stands under `detail` then.
create or replace function ledger_private.detail_of(p_operation jsonb)
returns jsonb
language sql
immutable
parallel safe
return case
  when not p_operation ?| array['price_book', 'tool_results'] then p_operation -> 'detail'
  else jsonb_strip_nulls(jsonb_build_object('price_book', p_operation -> 'price_book', 'tool_results', p_operation -> 'tool_results')) || case
    when jsonb_typeof(p_operation -> 'detail') = 'object' then p_operation -> 'detail'
    when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail')
    else '{}'
  end
end;
--! EndIncluded rules/detail_of.sql
--! Included private/event.sql
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
--! EndIncluded private/event.sql
--! Included private/metered_event.sql
-- The journal row of a metered turn: spend of the node that owns the pool.
create or replace function ledger_private.metered_event(
  p_pool ledger_private.pools,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v ledger_private.journal := ledger_private.event(p_pool, 'metered', p_operation, p_at);
begin
  v.node_id := p_pool.pool_id;
  v.turn := (p_operation -> 'turn')::integer;
  return v;
end;
$$;
--! EndIncluded private/metered_event.sql
--! Included private/settle_node.sql
-- Ends the node an operation names as p_status (done, down, cancelled): a leaf with the spend it states, a node that owns a pool with what its
-- pool booked. Errors: LG003, LG001 (the spend of a leaf is required to settle it, of a driver not allowed, nor are tools: they belong to calls,
-- which a driver meters), LG004, LG007.
create or replace function ledger_private.settle_node(
  p_tenant_id text,
  p_operation jsonb,
  p_status text,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null then
    return ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'));
  elsif v_node.driver and p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is computed from the pool of a driver: leave it out');
  elsif v_node.driver and p_operation ?| array['tool_calls', 'tool_results'] then
    return ledger_private.failed(
      'LG001', case when p_operation ? 'tool_calls' then 'tool_calls' else 'tool_results' end,
      'belongs to a call of the driver: meter it in its pool'
    );
  elsif not v_node.driver and p_status <> 'cancelled' and not p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is required: what the leaf consumed');
  elsif v_node.driver then
    v_answer := ledger_private.settle_pool(v_node, p_status, p_operation, p_at);
    v_answer.result := v_answer.result - 'returned';
    return v_answer;
  end if;
  return ledger_private.settle_leaf(v_node, p_status, p_operation, p_at);
end;
$$;
--! EndIncluded private/settle_node.sql
--! Included operations/correct.sql
-- correct: the true spend of an event, named by the operation that booked it (always the first one). The difference is booked, what was
-- uncertain is released, and it goes up through closed pools. lines: the whole truth per line, of which the difference is kept; tool_calls:
-- tools seen only now. Unknown dollars are priced as of the event that is corrected, by its provider and model.
-- Errors: LG001 (`of` booked no single spend of its own).
create or replace function ledger_private.op_correct(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_event ledger_private.journal;
  v_pool ledger_private.pools;
  v_budget jsonb;
  v_operation jsonb;
  v_correction ledger_private.journal;
  v_seq bigint;
begin
  v_event := ledger_private.event_booked_by(p_tenant_id, p_operation ->> 'of');
  if v_event.seq is null then
    return ledger_private.failed(
      'LG001', 'of', 'must be an operation that booked a spend of its own, of one node, and is still kept; not a correction'
    );
  end if;
  v_event := ledger_private.as_called(v_event);
  v_pool := ledger_private.find_pool(p_tenant_id, v_event.pool_id);
  if v_event.kind <> 'metered' then
    v_budget := (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget;
  end if;
  v_operation := jsonb_strip_nulls(jsonb_build_object('provider', v_event.provider, 'model', v_event.model)) || p_operation;
  v_operation := ledger_private.priced(v_operation, ledger_private.rate_card(p_tenant_id, array[v_operation]), v_event.effective_at);
  v_correction := ledger_private.event(v_pool, 'corrected', v_operation, p_at);
  v_seq := ledger_private.correct_event(
    v_pool, v_event, ledger_private.usage_of(v_operation -> 'spend', v_pool.token_charge, v_budget), v_correction
  );
  perform ledger_private.correct_lines(v_pool, v_event, v_seq, v_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
--! EndIncluded operations/correct.sql
--! Included views/usage_by_tool.sql
-- What was spent in turns in which a tool was called. A turn is any event with `tool_calls`, metered or the end of a leaf, net of its corrections;
-- tools are those of it and of its corrections (seen only later), by name. calls: how often; a call with an id counts once in its pool, in the turn
-- that stated it first (as in ledger.tool_calls). events: turns. A turn that called several tools counts whole in each of them: the usage of a row
-- is true, the sum over tools is not what was spent. usd is null only where nothing of it is known; an event that was corrected is as known as its
-- last correction.
-- Pools are few beside their journals: filters on tenant and run pick the pools, each of which is read once.
create or replace view ledger.usage_by_tool
with (security_invoker = true)
as
select
  p.tenant_id, p.run_id, t.tool, sum(t.calls)::bigint as calls, count(*) as events,
  sum(t.charged_tokens) as charged_tokens, trim_scale(sum(t.usd)) as usd,
  bool_and(t.tokens_known) as tokens_known, bool_and(t.usd_known) as usd_known,
  min(t.effective_at) as first_at, max(t.effective_at) as last_at
from ledger_private.pools p
cross join lateral (
  select c.tool, c.calls, u.charged_tokens, u.usd, u.tokens_known, u.usd_known, u.effective_at
  from (
    select n.seq, n.tool, count(*) as calls
    from (
      select
        coalesce(j.corrects_seq, j.seq) as seq, coalesce(c.call ->> 'name', c.call #>> '{}') as tool, c.call ->> 'id' as call_id,
        row_number() over (partition by c.call ->> 'id' order by j.seq, c.n) as sighting
      from ledger_private.journal j
      cross join lateral jsonb_array_elements(case jsonb_typeof(j.tool_calls) when 'array' then j.tool_calls end) with ordinality c (call, n)
      where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.source_pool_id is null and j.tool_calls is not null
    ) n
    where n.call_id is null or n.sighting = 1
    group by n.seq, n.tool
  ) c
  cross join lateral (
    select
      coalesce(e.charged_tokens, 0) + coalesce(k.charged_tokens, 0) as charged_tokens,
      case when e.usd is not null or k.usd is not null then coalesce(e.usd, 0) + coalesce(k.usd, 0) end as usd,
      coalesce(k.tokens_known, e.tokens_known, true) as tokens_known, coalesce(k.usd_known, e.usd_known, true) as usd_known, e.effective_at
    from ledger_private.journal e
    cross join lateral (
      select
        sum(x.charged_tokens) as charged_tokens, sum(x.usd) as usd,
        (array_agg(x.tokens_known order by x.seq desc))[1] as tokens_known, (array_agg(x.usd_known order by x.seq desc))[1] as usd_known
      from ledger_private.journal x
      where x.tenant_id = p.tenant_id and x.pool_id = p.pool_id and x.corrects_seq = c.seq
    ) k
    where e.tenant_id = p.tenant_id and e.pool_id = p.pool_id and e.seq = c.seq
    offset 0
  ) u
  offset 0
) t
group by p.tenant_id, p.run_id, t.tool;
comment on view ledger.usage_by_tool is 'Usage of the turns in which a tool was called; a turn with several tools counts in each.';
comment on column ledger.usage_by_tool.run_id is 'null: outside any run';
comment on column ledger.usage_by_tool.usd is 'null: nothing of it is known';
revoke all on ledger.usage_by_tool from public;
grant select on ledger.usage_by_tool to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_by_tool.sql
--! Included views/tool_calls.sql
-- The tools that models called: each element of the `tool_calls` of an event of the pool's own, where seq is that of the event (a leaf's end, a
-- metered turn, a correction) and position is from 0. A call with an id is one row in its pool, of its first sighting; those without are all kept.
-- status is the first that is stated of an id in its pool, by its sightings or in the tool_results of an event, in order of seq, an event's calls
-- before its results: so also what is booked before the call itself counts.
-- Filters on tenant, run and pool pick the pools, each of which is read once. What callers write as detail is never trusted to have a form.
create or replace view ledger.tool_calls
with (security_invoker = true)
as
select
  p.tenant_id, p.run_id, p.pool_id, c.node_id, c.seq, c.position, c.tool, c.call_id, c.arguments, c.status, c.purpose, c.model, c.effective_at
from ledger_private.pools p
cross join lateral (
  select
    t.node_id, t.seq, t.position, t.tool, t.call_id, t.arguments, t.purpose, t.model, t.effective_at, t.is_result,
    case
      when t.call_id is null then t.stated
      else first_value(t.stated) over (partition by t.call_id order by t.stated is null, t.seq, t.is_result, t.position)
    end as status,
    row_number() over (partition by t.call_id, t.is_result order by t.seq, t.position) as sighting
  from (
    select j.node_id, j.seq, e.position, e.tool, e.call_id, e.arguments, e.stated, e.is_result, j.purpose, j.model, j.effective_at
    from ledger_private.journal j
    cross join lateral (
      select
        (c.n - 1)::integer as position, coalesce(c.call ->> 'name', c.call #>> '{}') as tool, c.call ->> 'id' as call_id,
        c.call ->> 'arguments' as arguments, c.call ->> 'status' as stated, false as is_result
      from jsonb_array_elements(case jsonb_typeof(j.tool_calls) when 'array' then j.tool_calls end) with ordinality c (call, n)
      union all
      select (r.n - 1)::integer, null, r.result ->> 'id', null, r.result ->> 'status', true
      from jsonb_array_elements(
        case jsonb_typeof(j.detail -> 'tool_results') when 'array' then j.detail -> 'tool_results' end
      ) with ordinality r (result, n)
      where jsonb_typeof(r.result -> 'id') = 'string' and r.result -> 'status' in ('"ok"', '"error"')
    ) e
    where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.source_pool_id is null
      and (j.tool_calls is not null or j.detail is not null)
  ) t
  offset 0
) c
where not c.is_result and (c.call_id is null or c.sighting = 1);
comment on view ledger.tool_calls is 'Tools that models called, one row per call: digest of its arguments, and what became of it.';
comment on column ledger.tool_calls.run_id is 'null: outside any run';
comment on column ledger.tool_calls.call_id is 'null: not stated';
comment on column ledger.tool_calls.arguments is 'null: not stated';
comment on column ledger.tool_calls.status is 'null: not known';
comment on column ledger.tool_calls.purpose is 'null: not stated';
comment on column ledger.tool_calls.model is 'null: not stated';
revoke all on ledger.tool_calls from public;
grant select on ledger.tool_calls to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/tool_calls.sql
--! Included views/tool_findings.sql
-- What the detectors say of each pool's tool calls (ledger.tool_calls), in order of seq and position. `repeated-action`: calls of one tool with one
-- digest of arguments, one after another; a call whose arguments are not stated equals none. `error-streak`: errors in a row; ok ends the row, a
-- call of which nobody knows is neither. Each fires when its streak is 3, and again whenever that has doubled (6, 12, ...), on the call that made
-- it so long.
create or replace view ledger.tool_findings
with (security_invoker = true)
as
select
  p.tenant_id, p.run_id, p.pool_id, f.detector, f.tool, f.arguments, f.streak, f.first_seq, f.seq, f.position, f.effective_at
from ledger_private.pools p
cross join lateral (
  with calls as materialized (
    select c.seq, c.position, c.tool, c.arguments, c.status, c.effective_at
    from ledger.tool_calls c
    where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
  ),
  actions as (
    select
      a.*, count(*) filter (where a.differs) over (order by a.seq, a.position) as streak_no
    from (
      select c.*, (c.tool = lag(c.tool) over w and c.arguments = lag(c.arguments) over w) is not true as differs
      from calls c
      window w as (order by c.seq, c.position)
    ) a
  ),
  errors as (
    select e.*
    from (
      select c.*, count(*) filter (where c.status = 'ok') over (order by c.seq, c.position) as streak_no
      from calls c
      where c.status is not null
    ) e
    where e.status = 'error'
  ),
  streaks as (
    select
      'repeated-action' as detector, a.tool, a.arguments, row_number() over w as streak, first_value(a.seq) over w as first_seq,
      a.seq, a.position, a.effective_at
    from actions a
    window w as (partition by a.streak_no order by a.seq, a.position)
    union all
    select
      'error-streak', case when min(e.tool) over w = max(e.tool) over w then e.tool end, null, row_number() over w, first_value(e.seq) over w,
      e.seq, e.position, e.effective_at
    from errors e
    window w as (partition by e.streak_no order by e.seq, e.position)
  )
  select s.* from streaks s
  where s.streak % 3 = 0 and (s.streak / 3) & (s.streak / 3 - 1) = 0
  offset 0
) f;
comment on view ledger.tool_findings is 'Tool calls that repeat themselves or fail in a row: at a streak of 3 and at each doubling.';
comment on column ledger.tool_findings.run_id is 'null: outside any run';
comment on column ledger.tool_findings.tool is 'null: errors of several tools';
comment on column ledger.tool_findings.arguments is 'null: errors, whatever the arguments';
revoke all on ledger.tool_findings from public;
grant select on ledger.tool_findings to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/tool_findings.sql

-- What a call would cost, before it is made
--! Included functions/estimate_of.sql
-- What a call with so many tokens, none of its input from a cache, would cost at the prices of the tenant's current book that hold now: dollars,
-- exact. Null where that is unknown: no book is in use, the book does not know the model or one of its classes, a number of tokens is not given.
-- Prices come from where metering has them (ledger.rates_of, ledger.price_of).
create or replace function ledger.estimate_of(
  p_tenant_id text,
  p_provider text,
  p_model text,
  p_input_tokens numeric,
  p_output_tokens numeric
)
returns numeric
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_book text;
begin
  select b.book into v_book from ledger.price_books b where b.tenant_id = p_tenant_id and b.current;
  return (
    select e.p_usd
    from ledger.price_of(
      ledger.rates_of(p_tenant_id, v_book, p_provider, p_model), statement_timestamp(), p_input_tokens, p_output_tokens, 0, 0, 0, 0
    ) e
  );
end;
$$;
comment on function ledger.estimate_of(text, text, text, numeric, numeric) is
  'What a call would cost at the current book''s prices now, without a cache: dollars; null = unknown.';
revoke all on function ledger.estimate_of(text, text, text, numeric, numeric) from public;
grant execute on function ledger.estimate_of(text, text, text, numeric, numeric) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/estimate_of.sql

revoke all on all functions in schema ledger_private from public;

reset role;
