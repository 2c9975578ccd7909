-- An event with the call it was: an expiry names none, so provider, model, request, purpose and time are those of the late settlement that made it
-- true. So what is corrected again is priced and attributed as what was settled.
create or replace function ledger_private.as_called(p_event ledger_private.journal)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_event ledger_private.journal := p_event;
  v_late ledger_private.journal;
begin
  if v_event.kind <> 'expired' then
    return v_event;
  end if;
  select j.* into v_late from ledger_private.history j
  where j.tenant_id = v_event.tenant_id and j.pool_id = v_event.pool_id and j.corrects_seq = v_event.seq and j.outcome is not null
  limit 1;
  if v_late.seq is not null then
    v_event.provider := v_late.provider;
    v_event.model := v_late.model;
    v_event.provider_request_id := v_late.provider_request_id;
    v_event.purpose := v_late.purpose;
    v_event.effective_at := v_late.effective_at;
  end if;
  return v_event;
end;
$$;
