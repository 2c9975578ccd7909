-- Turns, spawns of leaves and their ends, in the order of a batch, as ledger_private.fold_plainly and fold_turns book them: read from the inside out,
-- each thing once. plain: in their most common form, which is never what ledger_private.misfit_of_operation rejects, as far as the operation alone
-- tells (effective_at may still be in the future): dollars and tokens known, no resource, no line, no key, nothing that JSON escapes. What is not
-- plain may be right all the same; its numbers mean nothing. asked: its spend or its budget. Given objects only. One select, which the planner puts
-- into the query that asks; offset 0 keeps it from working out the same twice.
create or replace function ledger_private.read_plainly(p_operations jsonb)
returns table (
  n bigint,
  op text,
  operation jsonb,
  operation_id text,
  digest bytea,
  pool_id text,
  node_id text,
  label text,
  runtime text,
  provider text,
  model text,
  provider_request_id text,
  purpose text,
  out_ref text,
  outcome text,
  asked jsonb,
  own_tags jsonb,
  extras boolean,
  tokens numeric,
  iterations numeric,
  input_tokens numeric,
  output_tokens numeric,
  cache_read_tokens numeric,
  cache_write_tokens numeric,
  cache_write_1h_tokens numeric,
  reasoning_tokens numeric,
  ms numeric,
  usd numeric,
  plain boolean
)
language sql
stable
as $$
  select
    g.*,
    g.asked is not null and coalesce(
      greatest(
        g.tokens, g.iterations, g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.cache_write_1h_tokens,
        g.reasoning_tokens, g.ms
      ) <= 9007199254740991
      and least(
        g.tokens, g.iterations, g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.cache_write_1h_tokens,
        g.reasoning_tokens, g.ms
      ) >= 0
      and scale(
        g.tokens + g.iterations + g.input_tokens + g.output_tokens + g.cache_read_tokens + g.cache_write_tokens + g.cache_write_1h_tokens
        + g.reasoning_tokens + g.ms
      ) = 0
      and g.usd < 1e15 and scale(g.usd) <= 12
      and ledger_private.plain_amounts(
        g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.cache_write_1h_tokens, g.reasoning_tokens
      ),
      false
    )
  from (
    select
      f.n, f.op, f.operation, f.operation_id, f.digest, f.pool_id, f.node_id, f.label, f.runtime, f.provider, f.model, f.provider_request_id,
      f.purpose, f.out_ref, f.outcome, f.asked, f.own_tags, f.extras,
      coalesce((f.asked -> 'tokens')::numeric, 0) as tokens, coalesce((f.asked -> 'iterations')::numeric, 0) as iterations,
      coalesce((f.asked -> 'input_tokens')::numeric, 0) as input_tokens, coalesce((f.asked -> 'output_tokens')::numeric, 0) as output_tokens,
      coalesce((f.asked -> 'cache_read_tokens')::numeric, 0) as cache_read_tokens,
      coalesce((f.asked -> 'cache_write_tokens')::numeric, 0) as cache_write_tokens,
      coalesce((f.asked -> 'cache_write_1h_tokens')::numeric, 0) as cache_write_1h_tokens,
      coalesce((f.asked -> 'reasoning_tokens')::numeric, 0) as reasoning_tokens, coalesce((f.asked -> 'ms')::numeric, 0) as ms,
      coalesce((f.asked ->> 'usd')::numeric, 0) as usd
    from (
      select
        e.n, e.op, e.operation, e.operation_id, sha256(convert_to(e.content, 'UTF8')) as digest, e.pool_id, e.node_id, e.label, e.runtime,
        e.provider, e.model, e.provider_request_id, e.purpose, e.out_ref, e.outcome, e.own_tags, e.extras,
        case
          when ledger_private.plain_line(e.operation, e.op, e.asked) and e.operation_id || e.content !~ E'[\\\\[:cntrl:]]'
            and least(e.operation_id, e.pool_id, e.node_id, e.label, e.runtime, e.provider, e.model, e.provider_request_id, e.out_ref) <> ''
            and greatest(
              char_length(e.operation_id), char_length(e.pool_id), char_length(e.node_id), char_length(e.label), char_length(e.runtime),
              char_length(e.provider), char_length(e.model), char_length(e.provider_request_id), char_length(e.out_ref)
            ) <= 200
            and (e.operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false
            and not jsonb_path_exists(e.asked - 'usd', 'strict $.* ? (@.type() != "number")')
            and (jsonb_typeof(e.asked -> 'usd') = 'string' and char_length(e.asked ->> 'usd') <= 28
              and e.asked ->> 'usd' ~ '^[0-9]+([.][0-9]+)?$') is not false
            and case
              when e.extras or not ledger_private.common_tags(e.own_tags) then ledger_private.plain_extras(e.operation)
              else true
            end
          then e.asked
        end as asked
      from (
        select
          o.n, o.operation, o.operation ->> 'op' as op, o.operation ->> 'operation_id' as operation_id,
          (o.operation - 'operation_id')::text as content, o.operation ->> 'pool_id' as pool_id, o.operation ->> 'node_id' as node_id,
          o.operation ->> 'label' as label, o.operation ->> 'runtime' as runtime, o.operation ->> 'provider' as provider,
          o.operation ->> 'model' as model, o.operation ->> 'provider_request_id' as provider_request_id, o.operation ->> 'purpose' as purpose,
          o.operation ->> 'out_ref' as out_ref, o.operation ->> 'outcome' as outcome,
          coalesce(o.operation -> 'spend', o.operation -> 'budget') as asked,
          o.operation -> 'tags' as own_tags,
          o.operation ?| '{effective_at,tool_calls,detail,verdict,infra,task_ref,reason}' as extras
        from jsonb_array_elements(p_operations) with ordinality o (operation, n)
        offset 0
      ) e
      offset 0
    ) f
    offset 0
  ) g
  offset 0
$$;
