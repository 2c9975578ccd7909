-- The NOTIFY channel of a tenant. A hash, because anybody who is connected to the database can listen on any channel: it names nobody.
create or replace function ledger_private.channel_of(p_tenant_id text)
returns text
language sql
immutable
parallel safe
return 'ledger_' || left(encode(sha256(convert_to('agent-ledger/' || p_tenant_id, 'UTF8')), 'hex'), 40);
