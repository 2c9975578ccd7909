-- One child in a pool by chance. The number counts up last: a transaction that is done again keeps its ids.
\set pool random(1, :pools)
call ledger.submit(:tenant, ('[{"op": "spawn", "operation_id": "'
  || lpad(:n::text, 8, '0') || 's' || lpad(:client_id::text, 8, '0')
  || '", "pool_id": "pools' || lpad(:pool::text, 12, '0')
  || '", "node_id": "' || lpad(:n::text, 8, '0') || 'n' || lpad(:client_id::text, 8, '0')
  || '", "label": "worker", "lease_ms": 900000, "budget": {"tokens": 2000, "iterations": 1, "usd": "0.02"}}]')::jsonb, false, null);
\set n :n + 1
