-- The end of the child that spawn.sql made under the same number.
call ledger.submit(:tenant, ('[{"op": "settle", "operation_id": "'
  || lpad(:n::text, 8, '0') || 'e' || lpad(:client_id::text, 8, '0')
  || '", "node_id": "' || lpad(:n::text, 8, '0') || 'n' || lpad(:client_id::text, 8, '0')
  || '", "outcome": "done", "provider": "acme", "model": "model-1", "spend": {"iterations": 1, "input_tokens": 1000, '
  || '"output_tokens": 100, "cache_read_tokens": 500, "usd": "0.0123", "ms": 900}}]')::jsonb, false, null);
\set n :n + 1
