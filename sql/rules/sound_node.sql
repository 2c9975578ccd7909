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
