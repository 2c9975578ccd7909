-- The position of the first id (nulls aside) that is not among those that could be claimed, or stands a second time.
create or replace function ledger_private.first_taken(p_ids text[], p_claimed text[])
returns integer
language plpgsql
immutable
as $$
begin
  return (
    select min(i.n)
    from (select u.id, u.n, row_number() over (partition by u.id order by u.n) as nth from unnest(p_ids) with ordinality u (id, n)) i
    where i.nth > 1 and i.id is not null or i.id <> all (coalesce(p_claimed, '{}'))
  );
end;
$$;
