-- Moves the journal of a closed run out of the way of writers, to the archive: events and usage lines of its pools and all below them. Every view
-- and function answers as before, and the audit proves balances from both; late spend and corrections go on in the journal, at the next seq.
-- What goes is what an export holds: p_heads = {pool id: last seq of it in the export}, every pool of the run; p_export_digest = sha256:<hex> of
-- that export (the sha256 of its footer). ledger.archives records both. What was booked since stays, until it is exported and archived in its turn.
-- It goes at most 10000 events at a time and commits after each; rows are in the journal or in the archive, so it can be broken off anywhere, and
-- called again it goes on. p_result = {moved}.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Raises: as ledger.archive_some.
create or replace procedure ledger.archive_run(
  p_tenant_id text,
  p_run_id text,
  p_heads jsonb,
  p_export_digest text,
  inout p_result jsonb default null
)
language plpgsql
as $$
declare
  v_moved bigint := 0;
  v_after bigint;
  v_more boolean := true;
  v_some record;
begin
  while v_more loop
    commit; -- inside a transaction block this fails, before anything is moved
    set transaction isolation level read committed;
    select s.moved, s.next_after, s.more into v_some from ledger.archive_some(p_tenant_id, p_run_id, p_heads, p_export_digest, v_after) s;
    v_moved := v_moved + v_some.moved;
    v_after := v_some.next_after;
    v_more := v_some.more;
  end loop;
  p_result := pg_catalog.jsonb_build_object('moved', v_moved);
end;
$$;
comment on procedure ledger.archive_run(text, text, jsonb, text, jsonb) is
  'Moves the journal of a closed run to the archive, as an export holds it, in short transactions.';
revoke all on procedure ledger.archive_run(text, text, jsonb, text, jsonb) from public;
grant execute on procedure ledger.archive_run(text, text, jsonb, text, jsonb) to ledger_admin;
