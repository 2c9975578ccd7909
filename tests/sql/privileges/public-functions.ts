/** A call of every function of schema ledger, and what kind of function it is. */

export interface PublicCall {
  /** Only admins may call `admin`, no auditor may call `write`, everybody may call `read`. */
  readonly kind: "admin" | "write" | "read";
  /** Takes the tenant as its only parameter. */
  readonly text: string;
  /** Whether the call answers or changes something of that tenant. */
  readonly ofTenant: boolean;
}

const METER = `{"op": "meter", "pool_id": "tenant",
  "spend": {"iterations": 0, "input_tokens": 1, "output_tokens": 1, "usd": 0}}`;
/** `operation_id` is fresh in every call. */
const operation = `jsonb_build_object('operation_id', gen_random_uuid()) || '${METER}'`;

export const PUBLIC_CALLS: Readonly<Record<string, PublicCall>> = {
  apply: write(`select * from ledger.apply($1, jsonb_build_array(${operation}))`),
  apply_one: write(`select ledger.apply_one($1, ${operation})`),
  apply_as_json: write(`select ledger.apply_as_json($1, jsonb_build_array(${operation}))`),
  submit: write(`call ledger.submit($1, jsonb_build_array(${operation}), false, null)`),
  put_blob: write("select ledger.put_blob($1, 'bytes')"),
  put_prices: write(
    `select ledger.put_prices($1, 'book', '[{"provider": "p", "model": "m", "token_class": "input", "usd_per_million": 1}]')`,
  ),
  use_prices: write("select ledger.use_prices($1, 'prices')"),
  pools_of: write(`select * from ledger.pools_of($1, jsonb_build_array(${operation}))`),
  locks_for: write(`select ledger.locks_for($1, jsonb_build_array(${operation}))`),
  locks_of: write("select ledger.locks_of($1, '{tenant}')"),
  // No pool, so that no lock is left on the connection.
  lock_pools: write("call ledger.lock_pools($1, '{}')"),
  take_over: write("select ledger.take_over($1, '{}')"),
  announce: write("select ledger.announce($1)"),
  note_retries: write("select ledger.note_retries($1, 1)"),
  create_tenant: { kind: "admin", text: "select ledger.create_tenant($1)", ofTenant: false },
  bind_role: { kind: "admin", text: "select ledger.bind_role('postgres', $1)", ofTenant: false },
  prune: { kind: "admin", text: "call ledger.prune($1)", ofTenant: false },
  prune_some: { kind: "admin", text: "select * from ledger.prune_some($1)", ofTenant: false },
  archive_run: { kind: "admin", text: "call ledger.archive_run($1, 'run-a', '{}', '')", ofTenant: false },
  archive_some: { kind: "admin", text: "select * from ledger.archive_some($1, 'run-a', '{}', '')", ofTenant: false },
  balance_at: { kind: "read", text: "select * from ledger.balance_at($1, 'tenant', now())", ofTenant: true },
  equal_k: { kind: "read", text: "select * from ledger.equal_k($1, 'e')", ofTenant: true },
  equal_k_by_task: { kind: "read", text: "select * from ledger.equal_k_by_task($1, 'e')", ofTenant: true },
  compare_arms: { kind: "read", text: "select * from ledger.compare_arms($1, 'e', 'a', 'b')", ofTenant: true },
  events: { kind: "read", text: "select * from ledger.events($1)", ofTenant: true },
  rates_of: {
    kind: "read",
    text: "select r from ledger.rates_of($1, 'prices', 'acme', 'small') r where r is not null",
    ofTenant: true,
  },
  estimate_of: {
    kind: "read",
    text: "select e from ledger.estimate_of($1, 'acme', 'small', 1, 1) e where e is not null",
    ofTenant: true,
  },
  price_of: {
    kind: "read",
    text: "select * from ledger.price_of('{}', now(), 1, 1, 0, 0, 0, 0) where $1::text is not null",
    ofTenant: false,
  },
  follow: { kind: "read", text: "select ledger.follow($1)", ofTenant: true },
  caller_tenant: { kind: "read", text: "select ledger.caller_tenant() where $1::text is not null", ofTenant: false },
  error_codes: { kind: "read", text: "select * from ledger.error_codes() where $1::text is not null", ofTenant: false },
};

function write(text: string): PublicCall {
  return { kind: "write", text, ofTenant: true };
}
