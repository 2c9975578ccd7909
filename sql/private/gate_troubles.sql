-- What keeps runs from a verdict, per part, arm and channel: the ids of the nodes (ledger_private.gate_nodes), 100 at most, and how many there are.
-- Each run comes with the part and the arm it belongs to.
create or replace function ledger_private.gate_troubles(
  p_tenant_id text,
  p_run_ids text[],
  p_parts text[],
  p_arms text[]
)
returns table (
  part text,
  arm text,
  channel text,
  nodes jsonb,
  nodes_total bigint
)
language plpgsql
stable
as $$
begin
  return query
  select r.part, r.arm, h.channel, to_jsonb((array_agg(n.node_id order by n.node_id collate "C"))[:100]), count(*)
  from ledger_private.gate_nodes(p_tenant_id, p_run_ids) n
  join unnest(p_run_ids, p_parts, p_arms) r (run_id, part, arm) on r.run_id = n.run_id
  cross join (values ('tokens'), ('usd'), ('all')) h (channel)
  where n.open or (n.tokens and h.channel <> 'usd') or (n.usd and h.channel <> 'tokens')
  group by r.part, r.arm, h.channel;
end;
$$;
