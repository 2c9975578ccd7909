-- Refuses a change of what is written once: 23001, constraint journal_append_only.
create or replace function ledger_private.raise_append_only(p_schema text, p_table text, p_what text)
returns void
language plpgsql
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'journal_append_only',
    table = p_table,
    schema = p_schema,
    message = format('the journal is append-only: %s is not allowed', lower(p_what)),
    hint = 'book the difference with a correct operation';
end;
$$;
