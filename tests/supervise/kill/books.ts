/** What must hold of the books of a run that was killed, beside the provider's bill. Every function answers complaints; none = it holds. */
import type { BillLine } from "./provider.js";
import { ROOT } from "./work.js";

/** Where to look. */
export interface Books {
  readonly tenantId: string;
  /** Asks as the superuser; the first value is the tenant. */
  query<T>(text: string): Promise<T[]>;
}

/** The books at any moment, the run dead or alive: the audit, deliveries, keys, and nothing known that nobody billed. */
export async function complaintsAtAnyMoment(books: Books, bill: readonly BillLine[]): Promise<string[]> {
  return [
    ...(await rows(
      books,
      "select 'audit: ' || rule || ' ' || detail::text as text from ledger.audit where tenant_id = $1",
    )),
    ...(await rows(books, DELIVERED_TWICE)),
    ...(await rows(books, WORKED_TWICE)),
    ...(await complaintsAboutBill(books, bill, false)),
  ];
}

/** The books of a run that has ended. */
export async function complaintsAtTheEnd(books: Books, bill: readonly BillLine[]): Promise<string[]> {
  return [
    ...(await complaintsAtAnyMoment(books, bill)),
    ...(await rows(books, STILL_HELD)),
    ...(await rows(books, UNDELIVERED)),
    ...(await rows(books, IN_DOUBT)),
    ...(await complaintsAboutBill(books, bill, true)),
  ];
}

const DELIVERED_TWICE = `select 'delivered twice: ' || node_id as text from ledger.journal
  where tenant_id = $1 and kind = 'delivered' group by node_id having count(*) > 1`;

/** Of one key under one parent, at most one node is done, and none is spawned after it. */
const WORKED_TWICE = `select 'spawned after it was done: ' || later.node_id as text
  from ledger.nodes first join ledger.nodes later
    on later.tenant_id = first.tenant_id and later.parent_node_id = first.parent_node_id and later.key = first.key and later.node_id <> first.node_id
  where first.tenant_id = $1 and first.status = 'done' and later.spawned_at > first.spawned_at`;

const STILL_HELD = `select 'still held: ' || pool_id || ' ' || channel as text from ledger.channels where tenant_id = $1 and reserved <> 0
  union all select 'open: ' || node_id from ledger.nodes where tenant_id = $1 and status in ('pending', 'dispatched')
  union all select 'open holds: ' || pool_id from ledger.pool_heads where tenant_id = $1 and open_holds <> 0`;

/** The root has taken what its children brought. */
const UNDELIVERED = `select 'never delivered: ' || node_id as text from ledger.nodes
  where tenant_id = $1 and parent_node_id = '${ROOT}' and cursor is null`;

const IN_DOUBT = "select 'in doubt: ' || meter_id as text from ledger.calls_in_doubt where tenant_id = $1";

async function rows(books: Books, text: string): Promise<string[]> {
  return (await books.query<{ text: string }>(text)).map((row) => row.text);
}

/** What is known of one caller: of the node of a worker, or of all lives of a driver. */
interface Known {
  readonly caller: string;
  /** What was charged by receipt. */
  readonly tokens: string;
  readonly usd: string;
  /** Whether the ledger says that it knows all. */
  readonly certain: boolean;
}

/** Drivers are called by their label, as their models are. */
const KNOWN = `select case when n.driver then n.label else n.node_id end as caller,
    sum(t.own_charged_tokens - t.own_uncertain_tokens) as tokens, sum(t.own_usd - t.own_uncertain_usd) as usd,
    bool_and(t.own_uncertain_tokens = 0 and t.own_uncertain_usd = 0 and g.node_id is null) as certain
  from ledger.trajectory t join ledger.nodes n using (tenant_id, node_id)
  left join (select distinct tenant_id, node_id from ledger.spend_gaps where tenant_id = $1) g using (tenant_id, node_id)
  where t.tenant_id = $1 and t.run_id = '${ROOT}' group by 1`;

/** What is booked by receipt under a request id of the provider. */
const BOOKED = `select provider_request_id as id, input_tokens, output_tokens, usd from ledger.journal
  where tenant_id = $1 and provider_request_id is not null and source_pool_id is null`;

/**
 * Known sums never exceed the bill. `ended`: whoever was billed more than is known, of that caller the ledger says that it does not
 * know all. A model's answer is booked once, as it was billed.
 */
async function complaintsAboutBill(books: Books, bill: readonly BillLine[], ended: boolean): Promise<string[]> {
  const complaints: string[] = [];
  const known = await books.query<Known>(KNOWN);
  const booked = await books.query<Record<string, string>>(BOOKED);
  const lines = new Map(bill.map((line) => [line.id, line]));
  for (const { id = "", input_tokens, output_tokens, usd } of booked) {
    const line = lines.get(id);
    lines.delete(id);
    const isSame =
      line &&
      Number(input_tokens) === line.input &&
      Number(output_tokens) === line.output &&
      micro(usd) === line.microUsd;
    if (!isSame) complaints.push(`booked otherwise than billed, or twice: ${id}`);
  }
  const billed = byCaller(bill);
  for (const { caller, tokens, usd, certain } of known) {
    const line = billed.get(caller) ?? { tokens: 0, microUsd: 0 };
    billed.delete(caller);
    const told = `${caller}: known ${tokens}, ${micro(usd)}; billed ${line.tokens}, ${line.microUsd}`;
    const [tokensShort, usdShort] = [line.tokens - Number(tokens), line.microUsd - micro(usd)];
    if (tokensShort < 0 || usdShort < 0) complaints.push(`known above the bill: ${told}`);
    else if (ended && certain && (tokensShort > 0 || usdShort > 0))
      complaints.push(`said to be known, and is not: ${told}`);
  }
  for (const caller of billed.keys()) complaints.push(`billed, and not in the ledger: ${caller}`);
  return complaints;
}

/** The bill by caller. */
export function byCaller(bill: readonly BillLine[]): Map<string, { tokens: number; microUsd: number }> {
  const sums = new Map<string, { tokens: number; microUsd: number }>();
  for (const { caller, input, output, microUsd } of bill) {
    const sum = sums.get(caller) ?? { tokens: 0, microUsd: 0 };
    sums.set(caller, { tokens: sum.tokens + input + output, microUsd: sum.microUsd + microUsd });
  }
  return sums;
}

/** Dollars in millionths, exactly: the provider has no smaller ones. */
export function micro(usd: string | null | undefined): number {
  return Math.round(Number(usd ?? 0) * 1e6);
}

/** The run as a whole, in the words of the result: three readings that must be one. */
export interface Totals {
  readonly iterations: string;
  readonly charged_tokens: string;
  readonly usd: string;
}

/** What the root of the tree has rolled up, and what the run's pool committed. */
export async function totalsOf(books: Books): Promise<{ trajectory: Totals; committed: Totals; uncertain: string }> {
  const [row] = await books.query<{ trajectory: Totals; committed: Totals; uncertain: string }>(
    `select jsonb_build_object('iterations', t.rolled_up_iterations::text, 'charged_tokens', t.rolled_up_charged_tokens::text,
        'usd', trim_scale(t.rolled_up_usd)::text) as trajectory,
      (select jsonb_object_agg(case channel when 'tokens' then 'charged_tokens' else channel end, trim_scale(committed)::text)
        from ledger.channels c where c.tenant_id = $1 and c.pool_id = '${ROOT}') as committed,
      trim_scale(t.rolled_up_uncertain_tokens + t.rolled_up_uncertain_usd)::text as uncertain
    from ledger.trajectory t where t.tenant_id = $1 and t.run_id = '${ROOT}' and t.node_id = '${ROOT}'`,
  );
  if (!row) throw new Error("no run");
  return row;
}
