-- Raises what a CHECK of that name on that table would.
create or replace function ledger_private.raise_breach(p_table text, p_rule text)
returns void
language plpgsql
immutable
parallel safe
as $$
begin
  raise exception using
    errcode = 'check_violation',
    schema = 'ledger_private',
    table = p_table,
    constraint = p_rule,
    message = format('new row for relation "%s" violates check constraint "%s"', p_table, p_rule);
end;
$$;
