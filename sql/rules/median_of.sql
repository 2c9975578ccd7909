-- The median of amounts in ascending order, exactly: of an even number, the mean of the middle two. Null of none.
create or replace function ledger_private.median_of(p_sorted numeric[])
returns numeric
language sql
immutable
parallel safe
return trim_scale((p_sorted[(cardinality(p_sorted) + 1) / 2] + p_sorted[cardinality(p_sorted) / 2 + 1]) * 0.5);
