-- Row level security, forced on every table: one policy for the owner, one for readers of one tenant, one for readers of all. Readers have
-- SELECT on the tables and no USAGE on their schema, so they reach them through views only.
-- Policies of one role are or-ed, and an `or` is no index condition: rows of other tenants would be read before they are filtered, which shows in
-- plans and times. So reader_all is for the roles that need it, and everybody else has one equality on the leading column.
-- The sub-select asks whom the caller acts for once per query; without it every look-up of a walk would ask again.
do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'tenants', 'pools', 'pool_heads', 'channels', 'nodes', 'runs', 'journal', 'usage_lines', 'operations', 'blobs', 'plans', 'price_books',
    'prices', 'retries', 'journal_archive', 'usage_lines_archive', 'archives'
  ]
  loop
    execute format('alter table ledger_private.%I enable row level security', v_table);
    execute format('alter table ledger_private.%I force row level security', v_table);
    execute format('drop policy if exists owner_all on ledger_private.%I', v_table);
    execute format('drop policy if exists reader_one on ledger_private.%I', v_table);
    execute format('drop policy if exists reader_all on ledger_private.%I', v_table);
    execute format('create policy owner_all on ledger_private.%I to ledger_owner using (true) with check (true)', v_table);
    execute format(
      'create policy reader_one on ledger_private.%I for select to ledger_writer, ledger_auditor '
      'using (tenant_id = (select ledger.caller_tenant()))', v_table
    );
    execute format(
      'create policy reader_all on ledger_private.%I for select to ledger_admin, ledger_all_tenants '
      'using ((select ledger.caller_tenant()) = ''*'')', v_table
    );
    execute format('grant select on ledger_private.%I to ledger_admin, ledger_writer, ledger_auditor', v_table);
  end loop;
  alter table ledger_private.role_bindings enable row level security;
  alter table ledger_private.role_bindings force row level security;
  drop policy if exists owner_all on ledger_private.role_bindings;
  create policy owner_all on ledger_private.role_bindings to ledger_owner using (true) with check (true);
end
$$;

revoke all on all functions in schema ledger_private from public;
