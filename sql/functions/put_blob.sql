-- Stores an artifact under the digest of its bytes and returns that: sha256:<hex>. Storing it again is ok.
-- Raises: LG009, LG012, LG001 (null).
create or replace function ledger.put_blob(
  p_tenant_id text,
  p_body bytea
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_blob_id constant text := 'sha256:' || encode(sha256(p_body), 'hex');
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_body is null then
    perform ledger_private.raise_error('LG001', '{"path": "p_body", "rule": "is required"}');
  end if;
  insert into ledger_private.blobs (tenant_id, blob_id, body) values (p_tenant_id, v_blob_id, p_body) on conflict do nothing;
  return v_blob_id;
end;
$$;
comment on function ledger.put_blob(text, bytea) is 'Stores an artifact by content; returns sha256:<hex>.';
revoke all on function ledger.put_blob(text, bytea) from public;
grant execute on function ledger.put_blob(text, bytea) to ledger_admin, ledger_writer;
