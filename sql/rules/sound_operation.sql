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
