-- Deletes operations that are older than the replay window: how long a repeated call gets its first answer again, a refusal can be read, and a
-- correction needs no more than the operation's id. An id older than that is new again. No balance moves and no journal row goes. One tenant, or
-- null = all; p_older_than null = each tenant's own window (setting replay_days, else 30 days).
-- It goes a stretch of the table at a time and commits after each, so that it stops no writer and holds nothing for long. It can be broken off
-- anywhere: what is gone is gone, and called again it goes on with what is left. p_from, p_blocks: only so many blocks of the table from there, for
-- who wants to see it get on. p_result = {pruned, next_block}, next_block null at the end.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Raises: as ledger.prune_some.
create or replace procedure ledger.prune(
  p_tenant_id text,
  p_older_than interval default null,
  p_from bigint default 0,
  p_blocks bigint default null,
  inout p_result jsonb default null
)
language plpgsql
as $$
declare
  v_step constant bigint := 256;
  v_block bigint := p_from;
  v_pruned bigint := 0;
  v_some record;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is deleted
    set transaction isolation level read committed;
    select s.pruned, s.next_block into v_some from ledger.prune_some(p_tenant_id, p_older_than, v_block, v_step) s;
    v_pruned := v_pruned + v_some.pruned;
    v_block := v_some.next_block;
    exit when v_block is null or v_block >= p_from + p_blocks;
  end loop;
  p_result := pg_catalog.jsonb_build_object('pruned', v_pruned, 'next_block', v_block);
end;
$$;
comment on procedure ledger.prune(text, interval, bigint, bigint, jsonb) is
  'Deletes operations older than the replay window, in short transactions; null = all tenants.';
revoke all on procedure ledger.prune(text, interval, bigint, bigint, jsonb) from public;
grant execute on procedure ledger.prune(text, interval, bigint, bigint, jsonb) to ledger_admin;
