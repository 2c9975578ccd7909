-- Resources as answers show them: {name: {amount}}, amounts as text. Null for none.
create or replace function ledger_private.resources_json(p_resources jsonb)
returns jsonb
language plpgsql
immutable
strict
parallel safe
as $$
begin
  return (
    select jsonb_object_agg(r.key, jsonb_build_object('amount', ledger_private.text_of(ledger_private.amount(r.value -> 'amount'))))
    from jsonb_each(p_resources) r
  );
end;
$$;
