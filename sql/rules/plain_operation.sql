-- Whether an operation is plain: one of the common ones in the form in which clients send it. What is plain can be read by casts and booked
-- without looking for what may be wrong with it: it is never what ledger_private.misfit_of_operation rejects, as far as the operation alone
-- tells; two things are left to who reads it: its spend's amounts must be plain (ledger_private.plain_amounts), and effective_at not in the
-- future. What is not plain may be right all the same: it goes the general way, which decides. Null counts as false. Its spend and its budget are
-- given beside it: taken out of it once, not for each thing that is asked of them.
create or replace function ledger_private.plain_operation(
  p_operation jsonb,
  p_spend jsonb,
  p_budget jsonb
)
returns boolean
language sql
immutable
parallel safe
return case p_operation ->> 'op'
    when 'meter' then ledger_private.plain_meter(p_operation)
    when 'spawn' then ledger_private.plain_spawn(p_operation)
    when 'settle' then ledger_private.plain_settle(p_operation)
    when 'cancel' then ledger_private.plain_cancel(p_operation)
    when 'dispatch' then ledger_private.plain_dispatch(p_operation)
    else false
  end
  and ledger_private.plain_texts(p_operation)
  and case when p_operation ->> 'op' in ('meter', 'settle') or p_operation ? 'spend' then ledger_private.plain_spend(p_spend) else true end
  and case when p_operation ->> 'op' = 'spawn' then ledger_private.plain_budget(p_budget) else true end;
