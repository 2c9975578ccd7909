-- One turn metered in a pool by chance. The number counts up last: a transaction that is done again keeps its ids.
\set pool random(1, :pools)
call ledger.submit(:tenant, ('[{"op": "meter", "operation_id": "'
  || lpad(:n::text, 8, '0') || 'm' || lpad(:client_id::text, 8, '0')
  || '", "pool_id": "pools' || lpad(:pool::text, 12, '0')
  || '", "provider": "acme", "model": "model-1", "turn": 1, "purpose": "turn", "spend": {"iterations": 0, "input_tokens": 1000, '
  || '"output_tokens": 100, "cache_read_tokens": 500, "usd": "0.0123", "ms": 900}}]')::jsonb, false, null);
\set n :n + 1
