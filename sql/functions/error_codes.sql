-- The registry of our SQLSTATEs, in the order they are checked: name, and whether a call that got one may be tried again as it is.
create or replace function ledger.error_codes()
returns table (
  "position" integer,
  code text,
  name text,
  whole_call boolean,
  retryable boolean,
  meaning text
)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  values
    (1, 'LG006', 'not_serializable', true, false, 'a write outside SERIALIZABLE'),
    (2, 'LG009', 'tenant_forbidden', true, false, 'the login role is not bound to that tenant'),
    (3, 'LG012', 'unknown_tenant', true, false, 'the tenant was never created'),
    (4, 'LG005', 'operation_conflict', false, false, 'same operation_id, other content'),
    (5, 'LG001', 'invalid_operation', false, false, 'malformed: path and rule'),
    (6, 'LG002', 'unknown_pool', false, false, 'no pool by that id in this tenant'),
    (7, 'LG003', 'unknown_node', false, false, 'no node by that id in this tenant'),
    (8, 'LG011', 'already_exists', false, false, 'a pool or node of that id exists'),
    (9, 'LG004', 'already_settled', false, false, 'second terminal event of a node'),
    (10, 'LG007', 'open_holds', false, false, 'close or settle over open holds'),
    (11, 'LG008', 'batch_rejected', true, false, 'an atomic batch met a refusal or an error'),
    (12, 'LG010', 'empty_experiment', true, false, 'a verdict over no arm'),
    (13, '40001', 'serialization_failure', true, true, 'another transaction won: run the whole transaction again'),
    (14, '40P01', 'deadlock_detected', true, true, 'run the whole transaction again'),
    (15, '55P03', 'lock_not_available', true, true, 'a lock was not had in time: try again later')
$$;
comment on function ledger.error_codes() is 'SQLSTATEs of the ledger in the order they are checked, and which of them may be retried.';
revoke all on function ledger.error_codes() from public;
grant execute on function ledger.error_codes() to ledger_admin, ledger_writer, ledger_auditor;
