--! Previous: sha1:d00bfffcc7e21127552b710c04a4aad244c6ec20
--! Hash: sha1:28ef11d57c6069f85014603c9b7219a367ba6ab9
--! Message: one call, few expressions

-- Single operations by fewer expressions: the common forms are told quickly, words are rules like the others, and what is locked is not looked up
-- twice.

set local role ledger_owner;

-- Which words a row may use is one more of its rules (ledger_private.sound_event): a regular expression in a CHECK is read and run for each statement.
alter table ledger_private.journal
  drop constraint if exists journal_kind_known,
  drop constraint if exists journal_outcome_known,
  drop constraint if exists journal_purpose_known;
alter table ledger_private.operations drop constraint if exists operations_code_known;
alter table ledger_private.nodes drop constraint if exists nodes_status_known;

drop function if exists ledger.apply_as_json(text, jsonb, boolean);
drop function if exists ledger_private.book_plainly(text, jsonb, jsonb, timestamptz);

--! Included rules/sound_channel.sql
-- The rules of a balance, besides that it adds up: a CHECK calls this, because the server reads the text of every CHECK again for each statement,
-- and a dozen of them cost more than the write. True, or the error of a CHECK that is named like the first rule that is broken.
create or replace function ledger_private.sound_channel(p_row ledger_private.channels)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken text;
begin
  -- what most rows are, told by less than what tells which rule another one breaks
  if p_row.payer_pool_id = p_row.pool_id and p_row.total + p_row.free is not null and p_row.seals = 0 and p_row.unknown >= 0
    and least(p_row.total, p_row.reserved, p_row.committed, p_row.uncertain, p_row.remainder) >= 0
    and greatest(p_row.uncertain, p_row.remainder) = 0 and greatest(p_row.total, p_row.free, p_row.reserved, p_row.committed) < 'Infinity'
    and (p_row.channel not in ('tokens', 'iterations') or greatest(p_row.total % 1, p_row.reserved % 1, p_row.committed % 1) = 0)
  then
    return true;
  end if;
  v_broken := case
    when p_row.total is not null and p_row.free is null then 'channels_capped_adds_up'
    when p_row.total is null and (p_row.free is not null or p_row.reserved <> 0) then 'channels_uncapped_only_observed'
    when p_row.total < 0 then 'channels_total_not_negative'
    when p_row.reserved < 0 then 'channels_reserved_not_negative'
    when p_row.committed < 0 then 'channels_committed_not_negative'
    when p_row.uncertain < 0 or p_row.uncertain > p_row.committed then 'channels_uncertain_within_committed'
    when p_row.remainder < 0 or p_row.remainder > p_row.uncertain or (p_row.seals <= 0 and p_row.remainder <> 0) then 'channels_remainder_only_sealed'
    when greatest(p_row.total, p_row.free, p_row.reserved, p_row.committed, p_row.uncertain, p_row.remainder) >= 'Infinity'
      then 'channels_amounts_finite'
    when p_row.seals < 0 or p_row.seals > p_row.unknown or (p_row.seals <> 0 and p_row.total is null) then 'channels_seals_within_unknown'
    when p_row.total is not null and p_row.payer_pool_id is distinct from p_row.pool_id then 'channels_capped_pays_itself'
    when p_row.total is null and p_row.payer_pool_id = p_row.pool_id then 'channels_uncapped_pays_elsewhere'
    when p_row.channel in ('tokens', 'iterations') and (
      p_row.total <> trunc(p_row.total) or p_row.reserved <> trunc(p_row.reserved) or p_row.committed <> trunc(p_row.committed)
      or p_row.uncertain <> trunc(p_row.uncertain)
    ) then 'channels_counts_whole'
  end;
  if v_broken is not null then
    perform ledger_private.raise_breach('channels', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_channel.sql
--! Included rules/sound_event.sql
-- The rules of a journal row: called by a CHECK, as ledger_private.sound_channel. Usage is what was consumed, and a
-- difference in a correction.
create or replace function ledger_private.sound_event(p_row ledger_private.journal)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_difference constant boolean := p_row.kind = 'corrected';
  v_broken text;
begin
  -- what most rows are, told by less than what tells which rule another one breaks
  if p_row.kind in ('metered', 'spawned', 'settled', 'dispatched') and p_row.seq > 0 and p_row.effective_at <= p_row.recorded_at
    and p_row.source_pool_id is null and p_row.source_seq is null and p_row.corrects_seq is null
    and (p_row.outcome is null or p_row.outcome in ('done', 'down')) and (p_row.purpose is null or p_row.purpose = 'turn')
    and p_row.uncertain_tokens is null and p_row.uncertain_iterations is null and p_row.uncertain_usd is null
    and coalesce(least(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.charged_tokens, p_row.usd, p_row.ms
    ), 0) >= 0
    and coalesce(greatest(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.charged_tokens, p_row.usd, p_row.ms,
      p_row.tokens_funded, p_row.tokens_held, p_row.tokens_spent, p_row.tokens_uncertain, p_row.iterations_funded, p_row.iterations_held,
      p_row.iterations_spent, p_row.iterations_uncertain, p_row.usd_funded, p_row.usd_held, p_row.usd_spent, p_row.usd_uncertain,
      p_row.usd_remainder
    ), 0) < 'Infinity'
    and p_row.cache_write_tokens is null and p_row.cache_write_1h_tokens is null and p_row.reasoning_tokens is null
    and (p_row.cache_read_tokens is null or p_row.cache_read_tokens <= p_row.input_tokens)
  then
    return true;
  end if;
  v_broken := case
    when p_row.kind not in (
      'opened', 'funded', 'spawned', 'dispatched', 'extended', 'settled', 'cancelled', 'metered', 'delivered', 'corrected', 'expired', 'frozen',
      'thawed', 'closed', 'judged', 'planned', 'drawn'
    ) then 'journal_kind_known'
    when p_row.outcome not in ('done', 'down', 'cancelled', 'expired') then 'journal_outcome_known'
    when p_row.purpose not in ('turn', 'compaction', 'failed', 'tool') then 'journal_purpose_known'
    when p_row.seq <= 0 then 'journal_seq_positive'
    when p_row.effective_at > p_row.recorded_at then 'journal_effective_not_later'
    when (p_row.source_pool_id is null) <> (p_row.source_seq is null) then 'journal_source_whole'
    when p_row.corrects_seq is not null and (p_row.corrects_seq >= p_row.seq or not v_difference) then 'journal_corrects_earlier'
    when greatest(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.cache_write_tokens, p_row.reasoning_tokens,
      p_row.charged_tokens, p_row.usd, p_row.ms, p_row.uncertain_tokens, p_row.uncertain_iterations, p_row.uncertain_usd,
      p_row.tokens_funded, p_row.tokens_held, p_row.tokens_spent, p_row.tokens_uncertain, p_row.iterations_funded, p_row.iterations_held,
      p_row.iterations_spent, p_row.iterations_uncertain, p_row.usd_funded, p_row.usd_held, p_row.usd_spent, p_row.usd_uncertain,
      p_row.usd_remainder
    ) >= 'Infinity' then 'journal_amounts_finite'
    when not v_difference and least(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.cache_write_tokens, p_row.reasoning_tokens,
      p_row.charged_tokens, p_row.usd, p_row.ms, p_row.uncertain_tokens, p_row.uncertain_iterations, p_row.uncertain_usd
    ) < 0 then 'journal_usage_not_negative'
    when not v_difference and coalesce(p_row.cache_read_tokens, 0) + coalesce(p_row.cache_write_tokens, 0) > p_row.input_tokens
      then 'journal_cache_within_input'
    when p_row.cache_write_1h_tokens >= 'Infinity' or (not v_difference and (
      p_row.cache_write_1h_tokens < 0 or p_row.cache_write_1h_tokens > coalesce(p_row.cache_write_tokens, 0)
    )) then 'journal_cache_write_1h_within_cache_write'
    when not v_difference and p_row.reasoning_tokens > p_row.output_tokens then 'journal_reasoning_within_output'
    when not v_difference and (
      p_row.uncertain_tokens > p_row.charged_tokens or p_row.uncertain_iterations > p_row.iterations or p_row.uncertain_usd > p_row.usd
    ) then 'journal_uncertain_within_usage'
  end;
  if v_broken is not null then
    perform ledger_private.raise_breach('journal', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_event.sql
--! Included rules/sound_node.sql
-- The rules of a node: called by a CHECK, as ledger_private.sound_channel.
create or replace function ledger_private.sound_node(p_row ledger_private.nodes)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when p_row.status not in ('pending', 'dispatched', 'done', 'down', 'cancelled', 'expired') then 'nodes_status_known'
    when p_row.parent_node_id = p_row.node_id then 'nodes_parent_other'
    when p_row.parent_node_id is null and not p_row.driver then 'nodes_root_owns_pool'
    when (p_row.status in ('pending', 'dispatched')) <> (p_row.ended_at is null) then 'nodes_ended_has_time'
    when p_row.terminal_seq is not null and p_row.ended_at is null then 'nodes_terminal_row_of_ended'
    when p_row.cursor is not null and (p_row.cursor < 0 or p_row.terminal_seq is null or p_row.terminal_seq <= 0) then 'nodes_cursor_of_ended'
    when p_row.status = 'dispatched' and p_row.dispatched_at is null then 'nodes_dispatched_has_time'
    when p_row.superseded and p_row.key is null then 'nodes_superseded_has_key'
    when jsonb_typeof(p_row.budget) <> 'object' or jsonb_typeof(p_row.hold) <> 'object' then 'nodes_budget_object'
    when p_row.late and p_row.ended_at is null then 'nodes_late_only_ended'
    when p_row.task_ref !~ '^sha256:[0-9a-f]{64}$' then 'nodes_task_ref_sha256'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('nodes', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_node.sql
--! Included rules/sound_operation.sql
-- The rules of a kept operation: called by a CHECK, as ledger_private.sound_channel.
create or replace function ledger_private.sound_operation(p_row ledger_private.operations)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when p_row.code not in (
      'key-conflict', 'duplicate-key', 'pool-closed', 'pool-frozen', 'deadline-passed', 'depth-exceeded', 'usd-sealed', 'usd-unbudgeted',
      'budget-exhausted', 'not-free'
    ) then 'operations_code_known'
    when octet_length(p_row.digest) <> 32 then 'operations_digest_sha256'
    when p_row.code is not null and p_row.seq is not null then 'operations_refusal_has_no_row'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('operations', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_operation.sql
--! Included rules/common_texts.sql
-- Whether an object has texts only, as most are: not empty, no control characters, nothing that JSON escapes. What has 250 characters in all, keys
-- among them, has no text above 200. Part of ledger_private.common_meter.
create or replace function ledger_private.common_texts(p_object jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_text constant text := p_object;
begin
  return char_length(v_text) <= 250 and v_text ~ E'^{("[a-z_]+": "[^"\\\\[:cntrl:]]+"[,}] ?)+$';
end;
$$;
--! EndIncluded rules/common_texts.sql
--! Included rules/common_tags.sql
-- Whether tags are as most are: few and short texts, nothing that JSON escapes. What has 70 characters in all has no key above 64, and not 16 of
-- them. Null of null. Part of ledger_private.common_meter.
create or replace function ledger_private.common_tags(p_tags jsonb)
returns boolean
language sql
immutable
parallel safe
return char_length(p_tags::text) <= 70 and p_tags::text ~ '^{("[^"\\[:cntrl:]]+": "[^"\\[:cntrl:]]*"[,}] ?)+$';
--! EndIncluded rules/common_tags.sql
--! Included rules/common_spend.sql
-- Whether the counts of a spend are as most are: whole numbers below 10^15. Its dollars are told by who asks. Part of ledger_private.common_meter.
create or replace function ledger_private.common_spend(p_spend jsonb)
returns boolean
language sql
immutable
parallel safe
return p_spend ?& '{iterations,input_tokens,output_tokens}'::text[]
  and p_spend - '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,reasoning_tokens,ms,usd}'::text[] = '{}'
  and (p_spend - 'usd')::text ~ '^{("[a-z_]+": [0-9]{1,15}[,}] ?)+$';
--! EndIncluded rules/common_spend.sql
--! Included rules/common_meter.sql
-- Whether a meter is of the form that most have, told by few expressions: for one operation, each function that is named costs more than to run it.
-- Whatever this is true of is plain (ledger_private.plain_operation), its dollars and tokens known; what it is not true of may be plain all the same.
-- Its tags are left to ledger_private.common_tags. Null counts as false. (In these paths a key that is left out is not unequal to anything.)
create or replace function ledger_private.common_meter(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{op,operation_id,pool_id,provider,model,provider_request_id,purpose,turn,spend,tags}'::text[] = '{}'
  and p_operation ?& '{operation_id,pool_id}'::text[] and ledger_private.common_texts(p_operation - '{turn,spend,tags}'::text[])
  and ledger_private.common_spend(p_operation -> 'spend')
  and p_operation @@ '
    $.spend.usd.type() == "string" && $.spend.usd like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$"
    && !($.turn.type() != "number" || $.turn < 0 || $.turn > 2147483647 || $.turn != $.turn.floor())
    && !($.purpose != "turn" && $.purpose != "compaction" && $.purpose != "failed" && $.purpose != "tool")
  ';
--! EndIncluded rules/common_meter.sql
--! Included rules/common_settle.sql
-- Whether the settlement of a leaf is of the form that most have, as ledger_private.common_meter.
create or replace function ledger_private.common_settle(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{op,operation_id,node_id,outcome,provider,model,provider_request_id,purpose,out_ref,spend,tags}'::text[] = '{}'
  and p_operation ?& '{operation_id,node_id}'::text[] and ledger_private.common_texts(p_operation - '{spend,tags}'::text[])
  and ledger_private.common_spend(p_operation -> 'spend')
  and p_operation @@ '
    $.spend.usd.type() == "string" && $.spend.usd like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$" && ($.outcome == "done" || $.outcome == "down")
    && !($.purpose != "turn" && $.purpose != "compaction" && $.purpose != "failed" && $.purpose != "tool")
  ';
--! EndIncluded rules/common_settle.sql
--! Included rules/common_spawn.sql
-- Whether the spawn of a leaf is of the form that most have, as ledger_private.common_meter.
create or replace function ledger_private.common_spawn(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{op,operation_id,pool_id,node_id,label,runtime,lease_ms,budget,tags}'::text[] = '{}'
  and p_operation ?& '{operation_id,pool_id,label}'::text[] and ledger_private.common_texts(p_operation - '{lease_ms,budget,tags}'::text[])
  and p_operation @@ '
    $.budget.type() == "object" && (!exists($.budget.usd)
      || $.budget.usd.type() == "string" && $.budget.usd like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$")
    && !($.lease_ms.type() != "number" || $.lease_ms < 1 || $.lease_ms > 315360000000 || $.lease_ms != $.lease_ms.floor())
  '
  and (p_operation -> 'budget') - '{tokens,iterations,usd}'::text[] = '{}'
  and ((p_operation -> 'budget') - 'usd')::text ~ '^{("[a-z]+": [0-9]{1,15}[,}] ?)*}?$';
--! EndIncluded rules/common_spawn.sql
--! Included rules/plain_line.sql
-- Whether an operation has the keys of a turn, of the spawn of a leaf or of its end, as ledger_private.read_plainly takes them, each of its type, and
-- only those; p_asked is its spend or its budget. Its texts, and the amounts asked, are left to who reads it. Null counts as false.
create or replace function ledger_private.plain_line(p_operation jsonb, p_op text, p_asked jsonb)
returns boolean
language sql
immutable
parallel safe
return case p_op
    when 'meter' then p_operation - '{
        op,operation_id,pool_id,spend,turn,provider,model,provider_request_id,purpose,effective_at,tags,tool_calls,detail
      }'::text[] = '{}'
      and jsonb_typeof(p_operation -> 'pool_id') = 'string'
      and (p_operation -> 'turn' between '0' and '2147483647' and strpos(p_operation ->> 'turn', '.') = 0) is not false
    when 'spawn' then p_operation - '{
        op,operation_id,pool_id,node_id,label,runtime,task_ref,lease_ms,budget,effective_at,tags
      }'::text[] = '{}'
      and jsonb_typeof(p_operation -> 'pool_id') = 'string'
      and jsonb_typeof(p_operation -> 'label') = 'string'
      and coalesce(jsonb_typeof(p_operation -> 'node_id'), 'string') = 'string'
      and coalesce(jsonb_typeof(p_operation -> 'runtime'), 'string') = 'string'
      and (p_operation -> 'lease_ms' between '1' and '315360000000' and strpos(p_operation ->> 'lease_ms', '.') = 0) is not false
    when 'settle' then p_operation - '{
        op,operation_id,node_id,outcome,spend,provider,model,provider_request_id,purpose,verdict,out_ref,reason,infra,
        effective_at,tags,tool_calls,detail
      }'::text[] = '{}'
      and jsonb_typeof(p_operation -> 'node_id') = 'string'
      and p_operation ->> 'outcome' in ('done', 'down')
      and coalesce(jsonb_typeof(p_operation -> 'out_ref'), 'string') = 'string'
      and coalesce(jsonb_typeof(p_operation -> 'reason'), 'string') = 'string'
    else false
  end
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and jsonb_typeof(p_asked) = 'object'
  and p_asked - case p_op
    when 'spawn' then '{tokens,iterations,usd}'::text[]
    else '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens,ms,usd}'
  end = '{}'
  and p_asked ?& case p_op when 'spawn' then '{}'::text[] else '{iterations,input_tokens,output_tokens,usd}' end;
--! EndIncluded rules/plain_line.sql
--! Included rules/ending_text.sql
-- What ledger_private.ending_json says of a spend of whole counts and known dollars, without resources, as text between braces: in a batch that takes
-- a third of what building JSON does. (Stable, as || of a text and a number is declared: so it goes into the query that asks.)
create or replace function ledger_private.ending_text(
  p_iterations numeric,
  p_input_tokens numeric,
  p_output_tokens numeric,
  p_cache_read_tokens numeric,
  p_cache_write_tokens numeric,
  p_cache_write_hour_tokens numeric,
  p_reasoning_tokens numeric,
  p_charged_tokens numeric,
  p_usd numeric,
  p_ms numeric,
  p_budget jsonb
)
returns text
language sql
stable
parallel safe
return '"spend":{"iterations":"' || p_iterations || '","input_tokens":"' || p_input_tokens || '","output_tokens":"' || p_output_tokens
  || '","cache_read_tokens":"' || p_cache_read_tokens || '","cache_write_tokens":"' || p_cache_write_tokens
  || case when p_cache_write_hour_tokens > 0 then '","cache_write_1h_tokens":"' || p_cache_write_hour_tokens else '' end
  || '","reasoning_tokens":"' || p_reasoning_tokens || '","charged_tokens":"' || p_charged_tokens || '","usd":"' || trim_scale(p_usd)
  || '","ms":"' || p_ms || '","tokens_known":true,"usd_known":true,"resources":{}},"violations":' || case
    when p_charged_tokens > (p_budget ->> 'tokens')::numeric or p_iterations > (p_budget ->> 'iterations')::numeric
      or p_usd > (p_budget ->> 'usd')::numeric
      then ledger_private.violations(row(
        p_iterations, p_input_tokens, p_output_tokens, p_cache_read_tokens, p_cache_write_tokens, p_reasoning_tokens, p_charged_tokens, p_usd,
        p_ms, 0, 0, 0, true, true, null, 0, 0, 0, 0, p_cache_write_hour_tokens
      )::ledger_private.usage, p_budget)::text
    else '[]'
  end;
--! EndIncluded rules/ending_text.sql
--! Included private/is_bound.sql
-- Whether the caller's login role is bound to that tenant, which then exists. To be asked before ledger_private.assert_tenant, which says what else
-- may be: an IF takes a fraction of what a statement does.
create or replace function ledger_private.is_bound(p_tenant_id text)
returns boolean
language plpgsql
stable
as $$
begin
  perform from ledger_private.role_bindings b where b.tenant_id = p_tenant_id and b.role_name = session_user and p_tenant_id <> '*';
  return found;
end;
$$;
--! EndIncluded private/is_bound.sql
--! Included private/assert_tenant.sql
-- LG009 where the caller's login role is not bound to the tenant, then LG012 where the tenant does not exist: in this order, so that a stranger
-- cannot find out which tenants there are.
create or replace function ledger_private.assert_tenant(p_tenant_id text)
returns void
language plpgsql
stable
as $$
declare
  v_mine text;
begin
  if ledger_private.is_bound(p_tenant_id) then
    return;
  end if;
  v_mine := ledger.caller_tenant();
  if v_mine is null or (v_mine <> '*' and v_mine is distinct from p_tenant_id) then
    perform ledger_private.raise_error('LG009', jsonb_build_object('role', session_user), 'an administrator binds roles with ledger.bind_role');
  elsif not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
end;
$$;
--! EndIncluded private/assert_tenant.sql
--! Included private/own_keys.sql
-- The locks of a batch of which every operation moves one open pool that pays for itself: turns, spawns, and what is said of leaves. Ascending; null
-- where one may need more than that, which ledger_private.pools_locked tells.
create or replace function ledger_private.own_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
begin
  return (
    select case when bool_and(p.key is not null) then array_agg(distinct p.key order by p.key) end
    from (
      select distinct coalesce(o.pool_id, n.parent_node_id) as pool_id
      from (
        select
          case when e.op ->> 'op' in ('meter', 'spawn') then e.op ->> 'pool_id' end as pool_id,
          case when e.op ->> 'op' in ('settle', 'dispatch', 'extend') then e.op ->> 'node_id' end as node_id
        from jsonb_array_elements(p_operations) e (op)
        offset 0
      ) o
      left join lateral (
        select n.parent_node_id from ledger_private.nodes n
        where n.tenant_id = p_tenant_id and n.node_id = o.node_id and not n.driver
        limit 1
      ) n on true
    ) d
    left join lateral (
      select ledger_private.lock_key(p_tenant_id, p.pool_id) as key from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  );
end;
$$;
--! EndIncluded private/own_keys.sql
--! Included private/lock_keys.sql
-- The advisory locks of operations, ascending: the one lock order of every writer. One operation on a leaf or an open pool that pays for itself
-- needs no more than that pool.
create or replace function ledger_private.lock_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
declare
  v_operation constant jsonb := p_operations -> 0;
  v_pool_id text;
  v_payers text[];
  v_keys bigint[];
begin
  if jsonb_typeof(p_operations) = 'array' and jsonb_array_length(p_operations) = 1 then
    if v_operation ->> 'op' in ('meter', 'spawn') then
      select p.pool_id, p.payers into v_pool_id, v_payers from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = v_operation ->> 'pool_id' and p.state <> 'closed';
    elsif v_operation ->> 'op' in ('settle', 'dispatch', 'extend') then
      select p.pool_id, p.payers into v_pool_id, v_payers
      from ledger_private.nodes n
      cross join lateral (
        select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
      ) p
      where n.tenant_id = p_tenant_id and n.node_id = v_operation ->> 'node_id' and not n.driver and p.state <> 'closed';
    end if;
    if v_pool_id is not null and v_payers is null then
      return array[ledger_private.lock_key(p_tenant_id, v_pool_id)];
    end if;
  elsif jsonb_typeof(p_operations) = 'array' and jsonb_array_length(p_operations) between 2 and 1000 then
    v_keys := ledger_private.own_keys(p_tenant_id, p_operations);
    if v_keys is not null then
      return v_keys;
    end if;
  end if;
  return array(
    select distinct ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 1
  );
end;
$$;
--! EndIncluded private/lock_keys.sql
--! Included functions/locks_for.sql
-- The advisory keys that operations lock (ledger.pools_of), ascending: what ledger.submit takes before its transaction begins.
-- Raises: LG009, LG012, LG001 (not an array).
create or replace function ledger.locks_for(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  if not ledger_private.is_bound(p_tenant_id) then
    perform ledger_private.assert_tenant(p_tenant_id);
  end if;
  return ledger_private.lock_keys(p_tenant_id, p_operations);
end;
$$;
comment on function ledger.locks_for(text, jsonb) is 'The advisory keys a batch of operations locks, in lock order.';
revoke all on function ledger.locks_for(text, jsonb) from public;
grant execute on function ledger.locks_for(text, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/locks_for.sql
--! Included private/book_plainly.sql
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
--! EndIncluded private/book_plainly.sql
--! Included private/read_plainly.sql
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
--! EndIncluded private/read_plainly.sql
--! Included private/fold_turns.sql
-- ledger_private.fold_plainly for a batch of turns only, the commonest of all: no node to find, to make or to end, and no room to look for, which is
-- most of what the other says. The answers; null where one operation is not so, or it turns out late that an id is taken or a row is sealed.
create or replace function ledger_private.fold_turns(
  p_tenant_id text,
  p_operations jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_answers jsonb;
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
begin
  with read as materialized (
    select
      r.n, r.operation, r.operation_id, r.digest, r.pool_id, r.provider, r.model, r.provider_request_id, r.purpose, r.own_tags, r.extras,
      r.iterations, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens,
      r.ms, r.usd,
      r.plain and r.op = 'meter' as plain
    from ledger_private.read_plainly(p_operations) r
  ),
  pools as materialized (
    select d.*, p.*, row_number() over () as place, bool_and(d.plain and p.own is true) over () as fits
    from (
      select
        r.pool_id, bool_and(r.plain) as plain, count(*) as rows, sum(r.input_tokens + r.output_tokens) as tokens,
        sum(r.cache_read_tokens) as cached, sum(r.iterations) as iterations, sum(r.usd) as usd
      from read r
      group by r.pool_id
    ) d
    left join lateral (
      select p.run_id, p.tags, p.token_charge = 'uncached' as cached_free, true as own
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + p.rows
    from pools p
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where p.fits and h.ctid = k.at
    returning p.place, k.head
  ),
  were as materialized (
    select array_agg((h.head).seq order by h.place) as seqs, array_agg(h.head) as heads from heads h
  ),
  steps as materialized (
    select
      r.*, p.run_id, w.seqs[p.place] + row_number() over (partition by p.place order by r.n) as seq,
      case when r.extras then coalesce((r.operation ->> 'effective_at')::timestamptz, p_at) else p_at end as effective_at,
      ledger_private.tags_of(p.tags, r.own_tags) as tags,
      r.input_tokens + r.output_tokens - case when p.cached_free then r.cache_read_tokens else 0 end as charged_tokens
    from pools p
    join read r on r.pool_id = p.pool_id
    cross join were w
    where p.fits
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.spent, committed = c.committed + d.spent
    from pools p
    cross join lateral (
      values ('tokens', p.tokens - case when p.cached_free then p.cached else 0 end), ('iterations', p.iterations), ('usd', p.usd)
    ) d (channel, spent)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.channel = d.channel
      limit 1
    ) k
    where p.fits and (select w.seqs is not null from were w) and c.ctid = k.at and d.spent <> 0
    returning k.balance, c.seals = 0 as suits
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, s.digest, s.pool_id, s.seq, p_at
    from steps s
    where s.effective_at <= p_at
    on conflict do nothing
    returning ctid as place
  ),
  verdict as materialized (
    select coalesce(b.suits, true) and c.count = jsonb_array_length(p_operations) as ok, b.rows, c.places as claimed
    from (select bool_and(b.suits) as suits, array_agg(b.balance) as rows from balances b) b
    cross join (select count(*) as count, array_agg(c.place) as places from claimed c) c
  ),
  booked as (
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
      provider, model, provider_request_id, purpose, turn, tool_calls, detail,
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
      usd, ms, tokens_known, usd_known, tokens_spent, iterations_spent, usd_spent
    )
    select
      p_tenant_id, s.pool_id, s.seq, 'metered', s.operation_id, p_at, s.effective_at, s.run_id, s.pool_id, s.tags,
      s.provider, s.model, s.provider_request_id, s.purpose, (s.operation -> 'turn')::integer,
      case when s.extras then s.operation -> 'tool_calls' end, case when s.extras then s.operation -> 'detail' end,
      s.iterations, s.input_tokens, s.output_tokens, nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0),
      nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0), s.charged_tokens, s.usd, nullif(s.ms, 0), true, true,
      nullif(s.charged_tokens, 0), nullif(s.iterations, 0), nullif(s.usd, 0)
    from steps s
    where (select v.ok from verdict v)
  )
  select
    case when v.ok then (
      -- as text, which takes half of what jsonb_agg of jsonb_build_object does
      select '[' || string_agg(
        '{"position":' || s.n - 1 || ',"status":"ok","code":null,"result":{"pool_id":' || to_json(s.pool_id) || ',"seq":' || s.seq || '}}',
        ',' order by s.n
      ) || ']'
      from steps s
    ) end,
    w.heads, v.rows, v.claimed
  into v_answers, v_heads, v_rows, v_claimed
  from verdict v
  cross join were w;
  if v_answers is null and v_heads is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, null);
  end if;
  return v_answers;
end;
$$;
--! EndIncluded private/fold_turns.sql
--! Included private/fold_plainly.sql
-- A batch of turns, spawns of leaves and their ends in their common form (ledger_private.read_plainly), in pools that pay for themselves, by one
-- statement: what most calls of a busy client are. The answers; null where one operation is not so, or it turns out late that an id is taken, a row
-- is sealed or there may be no room: then nothing of it stays, and ledger_private.fold says the same at length. A test books batches both ways.
-- It moves heads and balances before anybody has looked whether they may, as ledger_private.move_pools does and for the same reason: found by key,
-- written by place, row after row.
create or replace function ledger_private.fold_plainly(
  p_tenant_id text,
  p_operations jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_answers jsonb;
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
  v_made tid[];
begin
  with read as materialized (
    select
      r.*, coalesce(k.parent_node_id, r.pool_id) as own_pool_id, k.node_place, k.hold, k.ceilings, k.node_tags,
      case when r.op = 'spawn' and r.plain then p_at + (r.operation ->> 'lease_ms')::double precision * interval '1 millisecond' end as lease_at
    from ledger_private.read_plainly(p_operations) r
    left join lateral (
      select n.ctid as node_place, n.parent_node_id, n.hold, n.budget as ceilings, n.tags as node_tags
      from ledger_private.nodes n
      where r.op = 'settle' and r.plain and n.tenant_id = p_tenant_id and n.node_id = r.node_id and not n.driver and n.ended_at is null
        and n.hold - '{tokens,iterations,usd}'::text[] = '{}'
      limit 1
    ) k on true
  ),
  pools as materialized (
    select
      d.*, p.*, row_number() over () as place,
      bool_and(d.plain and p.own is true and (d.spawned = 0 or (
        p.spawns and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_tenant_id)
      ))) over () as fits
    from (
      select
        r.own_pool_id as pool_id, bool_and(r.plain) and count(r.node_place) = count(distinct r.node_place) as plain, count(*) as rows,
        count(*) filter (where r.op = 'spawn') as spawned, count(r.node_place) as ended, min(r.lease_at) as lease_at
      from read r
      group by r.own_pool_id
    ) d
    left join lateral (
      select
        p.run_id, p.tags, p.token_charge = 'uncached' as cached_free, coalesce(p.paid_by, '{}') as caps,
        p.state = 'open' and (p_at >= p.deadline_at) is not true and coalesce(p.paid_by, '{}') - '{tokens,iterations,usd}'::text[] = '{}' as spawns,
        true as own
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + p.rows, open_holds = h.open_holds + p.spawned - p.ended, children = h.children + p.spawned,
      undelivered = h.undelivered + p.ended, next_lease_at = least(h.next_lease_at, p.lease_at)
    from pools p
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where p.fits and h.ctid = k.at
    returning p.place, k.head
  ),
  were as materialized (
    select
      array_agg((h.head).seq order by h.place) as seqs, array_agg((h.head).children order by h.place) as children, array_agg(h.head) as heads
    from heads h
  ),
  steps as materialized (
    select
      s.*, w.seqs[s.place] + s.nth as seq,
      case s.op when 'meter' then s.pool_id when 'settle' then s.named else coalesce(s.named, s.pool_id || ':s' || w.children[s.place] + s.child - 1)
      end as node_id
    from (
      select
        r.n, r.op, r.operation, r.operation_id, r.digest, r.node_id as named, r.label, r.runtime, r.provider, r.model, r.provider_request_id,
        r.purpose, r.out_ref, r.outcome, r.asked, r.ceilings, r.node_place, r.lease_at, r.iterations, r.input_tokens, r.output_tokens,
        r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens, r.ms, r.usd, p.pool_id, p.run_id, p.place,
        row_number() over earlier as nth, count(*) filter (where r.op = 'spawn') over earlier as child,
        r.op = 'spawn' as spawns, r.op <> 'spawn' as spends,
        case when r.extras then coalesce((r.operation ->> 'effective_at')::timestamptz, p_at) else p_at end as effective_at,
        ledger_private.tags_of(case when r.op = 'settle' then r.node_tags else p.tags end, r.own_tags) as tags,
        case r.op when 'spawn' then case when p.caps ? 'tokens' then r.tokens else 0 end else -coalesce((r.hold ->> 'tokens')::numeric, 0) end
          as tokens_held,
        case r.op when 'spawn' then case when p.caps ? 'iterations' then r.iterations else 0 end else -coalesce((r.hold ->> 'iterations')::numeric, 0)
        end as iterations_held,
        case r.op when 'spawn' then case when p.caps ? 'usd' then r.usd else 0 end else -coalesce((r.hold ->> 'usd')::numeric, 0) end as usd_held,
        r.input_tokens + r.output_tokens - case when p.cached_free then r.cache_read_tokens else 0 end as charged_tokens,
        -- a ceiling for what the pool caps; dollars only where it caps them
        r.op <> 'spawn' or (
          r.node_id is distinct from p.pool_id and (r.asked ? 'tokens' or not p.caps ? 'tokens')
          and (r.asked ? 'iterations' or not p.caps ? 'iterations') and (r.usd = 0 or p.caps ? 'usd')
        ) as fits
      from pools p
      join read r on r.own_pool_id = p.pool_id
      where p.fits
      window earlier as (partition by p.place order by r.n rows between unbounded preceding and current row)
      offset 0
    ) s
    cross join were w
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.held - d.spent, reserved = c.reserved + d.held, committed = c.committed + d.spent
    from (
      select
        s.pool_id, count(*) filter (where s.spawns) as asks,
        sum(s.tokens_held) as tokens_held, sum(s.iterations_held) as iterations_held, sum(s.usd_held) as usd_held,
        sum(s.charged_tokens) filter (where s.spends) as tokens_spent, sum(s.iterations) filter (where s.spends) as iterations_spent,
        sum(s.usd) filter (where s.spends) as usd_spent,
        sum(s.tokens_held) filter (where s.spends) as tokens_back, sum(s.iterations_held) filter (where s.spends) as iterations_back,
        sum(s.usd_held) filter (where s.spends) as usd_back
      from steps s
      group by s.pool_id
    ) s
    cross join lateral (
      values
        ('tokens', s.tokens_held, coalesce(s.tokens_spent, 0), s.tokens_back),
        ('iterations', s.iterations_held, coalesce(s.iterations_spent, 0), s.iterations_back),
        ('usd', s.usd_held, coalesce(s.usd_spent, 0), s.usd_back)
    ) d (channel, held, spent, back)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id and k.channel = d.channel
      limit 1
    ) k
    where c.ctid = k.at and (s.asks > 0 or d.held <> 0 or d.spent <> 0)
    -- room for every child at its turn, whatever comes back in between
    returning k.balance, c.seals = 0 and (s.asks = 0 or (c.free + coalesce(d.back, 0) >= 0) is not false) as suits
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, s.digest, s.pool_id, s.seq, p_at
    from steps s
    where s.fits and s.effective_at <= p_at
    on conflict do nothing
    returning ctid as place
  ),
  made as (
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    )
    select
      p_tenant_id, s.node_id, s.pool_id, s.run_id, s.label, s.runtime, s.operation ->> 'task_ref', s.asked,
      jsonb_strip_nulls(jsonb_build_object(
        'tokens', nullif(s.tokens_held, 0), 'iterations', nullif(s.iterations_held, 0), 'usd', nullif(s.usd_held, 0)
      )),
      s.tags, s.lease_at, p_at
    from steps s
    where s.spawns and s.fits and char_length(s.node_id) <= 200
    on conflict do nothing
    returning ctid as place
  ),
  verdict as materialized (
    select
      coalesce(b.suits, true) and c.count = jsonb_array_length(p_operations) and m.count = (select sum(p.spawned) from pools p) as ok,
      b.rows, c.places as claimed, m.places as made
    from (select bool_and(b.suits) as suits, array_agg(b.balance) as rows from balances b) b
    cross join (select count(*) as count, array_agg(c.place) as places from claimed c) c
    cross join (select count(*) as count, array_agg(m.place) as places from made m) m
  ),
  ended as (
    update ledger_private.nodes k
    set status = s.outcome, ended_at = p_at, terminal_seq = s.seq, verdict = s.operation -> 'verdict', out_ref = s.out_ref,
      reason = s.operation ->> 'reason', infra = (s.operation -> 'infra')::boolean
    from steps s
    where (select v.ok from verdict v) and k.ctid = s.node_place
  ),
  booked as (
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
      provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
      usd, ms, tokens_known, usd_known,
      tokens_held, tokens_spent, iterations_held, iterations_spent, usd_held, usd_spent
    )
    select
      p_tenant_id, s.pool_id, s.seq, case s.op when 'meter' then 'metered' when 'spawn' then 'spawned' else 'settled' end,
      s.operation_id, p_at, s.effective_at, s.run_id, s.node_id, s.tags,
      s.provider, s.model, s.provider_request_id, s.purpose, (s.operation -> 'turn')::integer, s.operation -> 'tool_calls', s.operation -> 'detail',
      s.outcome, s.operation -> 'verdict', s.out_ref, s.operation ->> 'reason', (s.operation -> 'infra')::boolean,
      case when s.spends then s.iterations end, case when s.spends then s.input_tokens end, case when s.spends then s.output_tokens end,
      nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0), nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0),
      case when s.spends then s.charged_tokens end, case when s.spends then s.usd end, nullif(s.ms, 0),
      case when s.spends then true end, case when s.spends then true end,
      nullif(s.tokens_held, 0), nullif(s.charged_tokens, 0), nullif(s.iterations_held, 0),
      case when s.spends then nullif(s.iterations, 0) end, nullif(s.usd_held, 0), case when s.spends then nullif(s.usd, 0) end
    from steps s
    where (select v.ok from verdict v)
  )
  select
    case when v.ok then (
      -- as text, which takes half of what jsonb_agg of jsonb_build_object does
      select '[' || string_agg(
        '{"position":' || s.n - 1 || ',"status":"ok","code":null,"result":{"pool_id":' || to_json(s.pool_id) || ',"seq":' || s.seq || case s.op
          when 'meter' then '}}'
          when 'spawn' then ',"node_id":' || to_json(s.node_id) || '}}'
          else ',' || ledger_private.ending_text(
            s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.cache_write_1h_tokens, s.reasoning_tokens,
            s.charged_tokens, s.usd, s.ms, s.ceilings
          ) || '}}'
        end,
        ',' order by s.n
      ) || ']'
      from steps s
    ) end,
    w.heads, v.rows, v.claimed, v.made
  into v_answers, v_heads, v_rows, v_claimed, v_made
  from verdict v
  cross join were w;
  if v_answers is null and v_heads is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, v_made);
  end if;
  return v_answers;
end;
$$;
--! EndIncluded private/fold_plainly.sql
--! Included private/fold_common.sql
-- The answers to a batch that one statement books (ledger_private.fold_turns, fold_plainly); null where none does, and for fewer than three
-- operations, for which that is not worth it. The caller holds their locks, for which they had to be an array, and not too long.
create or replace function ledger_private.fold_common(
  p_tenant_id text,
  p_operations jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_objects boolean;
  v_turns boolean;
begin
  if jsonb_array_length(p_operations) < 3 then
    return null;
  end if;
  select bool_and(jsonb_typeof(e.operation) = 'object'), bool_and(e.operation ->> 'op' = 'meter') into v_objects, v_turns
  from jsonb_array_elements(p_operations) e (operation);
  return case
    when not v_objects then null
    when v_turns then ledger_private.fold_turns(p_tenant_id, p_operations, p_at)
    else ledger_private.fold_plainly(p_tenant_id, p_operations, p_at)
  end;
end;
$$;
--! EndIncluded private/fold_common.sql
--! Included private/perform_plainly.sql
-- One operation the plain way (ledger_private.book_plainly, spawn_plainly). Null where it is not plain, or where it turns out late that an id is
-- taken, a row is sealed or there is no room: then nothing of it stays. Most are of a form that is quickly told (ledger_private.common_meter).
create or replace function ledger_private.perform_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_op constant text := p_operation ->> 'op';
  v_common boolean;
  v_plain boolean;
  v_spend jsonb;
  v_priced jsonb := p_operation;
begin
  if v_op = 'meter' then
    v_common := ledger_private.common_meter(p_operation);
  elsif v_op = 'settle' then
    v_common := ledger_private.common_settle(p_operation);
  elsif v_op = 'spawn' then
    v_common := ledger_private.common_spawn(p_operation);
  else
    return null;
  end if;
  if v_common and p_operation ? 'tags' then
    v_common := ledger_private.common_tags(p_operation -> 'tags');
  end if;
  if v_common is not true then
    if ledger_private.plain_texts(p_operation) is not true or ledger_private.instant(p_operation ->> 'effective_at') > p_at then
      return null;
    end if;
    if v_op = 'spawn' then
      v_plain := ledger_private.plain_spawn(p_operation) and ledger_private.plain_budget(p_operation -> 'budget');
    else
      v_spend := p_operation -> 'spend';
      v_plain := ledger_private.plain_spend(v_spend)
        and case v_op when 'meter' then ledger_private.plain_meter(p_operation) else ledger_private.plain_settle(p_operation) end;
    end if;
    if v_plain is not true then
      return null;
    elsif ledger_private.needs_price(p_operation) then
      v_priced := ledger_private.priced(
        p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
      );
    end if;
  end if;
  if v_op = 'spawn' then
    return ledger_private.spawn_plainly(p_tenant_id, p_operation, p_at);
  end if;
  return ledger_private.book_plainly(p_tenant_id, p_operation, v_priced, v_common is true, p_at);
end;
$$;
--! EndIncluded private/perform_plainly.sql
--! Included functions/apply_as_json.sql
-- Applies an ordered batch of operations in the caller's serializable transaction: [{position, status, code, result}], position from 0. A refused
-- or failed operation changes no balance and stops no other; with p_atomic the first one raises LG008 and everything is rolled back.
-- Locks: the pools of ledger.pools_of, ascending, until the transaction ends; none where the caller says that it holds them (p_locked, as
-- ledger.submit does): locks that are missing cost others 40001 and 40P01, again and again, never a balance.
-- Raises: LG006, LG009, LG012, LG001 (not an array, more than 1000 operations), LG008; 40001 where the transaction
-- began before it held the locks and lost.
create or replace function ledger.apply_as_json(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean default false,
  p_locked boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_answers ledger_private.answer[];
  v_answer ledger_private.answer;
  v_folded jsonb;
  v_size constant integer := case when jsonb_typeof(p_operations) = 'array' then jsonb_array_length(p_operations) end;
begin
  if current_setting('transaction_isolation') <> 'serializable' or not ledger_private.is_bound(p_tenant_id) then
    perform ledger_private.assert_writable(p_tenant_id);
  end if;
  if p_locked is not true or v_size is null or v_size > 1000 then -- which it complains about
    perform ledger_private.lock_all(p_tenant_id, p_operations);
  end if;
  if v_size = 1 then
    v_answer := ledger_private.perform_alone(p_tenant_id, p_operations -> 0, clock_timestamp());
    v_answers := array[v_answer];
  else
    v_folded := ledger_private.fold_common(p_tenant_id, p_operations, clock_timestamp());
    if v_folded is not null then
      return v_folded;
    end if;
    v_answers := ledger_private.apply_batch(
      p_tenant_id, array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n), clock_timestamp()
    );
  end if;
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  if v_answer.status in ('ok', 'replayed') then -- the one of a batch of one: worked out by itself, it takes half of what the query takes
    return jsonb_build_array(jsonb_build_object(
      'position', 0, 'status', v_answer.status, 'code', v_answer.code,
      'result', jsonb_build_object('pool_id', v_answer.pool_id, 'seq', v_answer.seq) || coalesce(v_answer.result, '{}')
    ));
  end if;
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object('position', a.ordinality - 1, 'status', a.status, 'code', a.code, 'result', case a.status
          when 'error' then a.result
          else jsonb_build_object('pool_id', a.pool_id, 'seq', a.seq) || coalesce(a.result, '{}')
        end)
        order by a.ordinality
      ),
      '[]'
    )
    from unnest(v_answers) with ordinality a
  );
end;
$$;
comment on function ledger.apply_as_json(text, jsonb, boolean, boolean) is
  'ledger.apply with its answers as one JSON array, as ledger.submit gives them.';
revoke all on function ledger.apply_as_json(text, jsonb, boolean, boolean) from public;
grant execute on function ledger.apply_as_json(text, jsonb, boolean, boolean) to ledger_admin, ledger_writer;
--! EndIncluded functions/apply_as_json.sql
--! Included functions/submit.sql
-- Applies a batch in a transaction of its own, in one round trip: p_results = [{position, status, code, result}]. What clients use.
-- SERIALIZABLE fails rather than waits when its snapshot is older than the lock, so the locks come first: transaction-level (this is where it
-- waits, and any error frees them), then the same keys session-level (never waits), commit, a new serializable transaction, transaction-level
-- again (never waits; the snapshot is born under the lock), and the session's are given back. From there every error frees everything. A cancel
-- (57014) inside those statements can leave session locks: the client discards that connection.
-- It waits in READ COMMITTED: what a serializable transaction has read while it waits would count against those it waits for. Where a pool was
-- closed while it waited, more pools above it book: nothing is written yet, so all locks are given back and it starts over.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Locks: the pools of ledger.pools_of, ascending.
-- Raises: as ledger.apply.
create or replace procedure ledger.submit(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean,
  inout p_results jsonb
)
language plpgsql
as $$
declare
  v_keys bigint[];
  v_key bigint;
  v_waited boolean;
  v_ours boolean;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := ledger.locks_for(p_tenant_id, p_operations);
    v_waited := false;
    foreach v_key in array v_keys loop
      if not pg_catalog.pg_try_advisory_xact_lock(v_key) then
        v_waited := true;
        perform pg_catalog.pg_advisory_xact_lock(v_key);
      end if;
    end loop;
    exit when not v_waited or v_keys operator(pg_catalog.@>) ledger.locks_for(p_tenant_id, p_operations);
  end loop;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_try_advisory_lock(v_key);
  end loop;
  commit;
  set transaction isolation level serializable;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_try_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_advisory_unlock(v_key);
  end loop;
  p_results := ledger.apply_as_json(p_tenant_id, p_operations, coalesce(p_atomic, false), true);
end;
$$;
comment on procedure ledger.submit(text, jsonb, boolean, jsonb) is
  'Applies a batch in its own serializable transaction, locks first, one round trip.';
revoke all on procedure ledger.submit(text, jsonb, boolean, jsonb) from public;
grant execute on procedure ledger.submit(text, jsonb, boolean, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/submit.sql

revoke all on all functions in schema ledger_private from public;
reset role;
