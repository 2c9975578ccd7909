/** Batches of known content, told again and again to a server that dies, and what was heard of them. */
import { connect } from "../../src/database/connect.js";
import { type Answer, type Operation, spendOf, submit } from "../concurrency/operations.js";

/** What one batch books: tokens metered and settled in the driver's pool, metered at the root; dollars, all the root's. */
export const BOOKED_PER_BATCH = { driverTokens: 3 + 5, rootTokens: 2, milliDollars: 1 + 2 + 4 };

/** Tokens that a batch holds in the driver's pool in between. */
export const HELD_PER_BATCH = 9;

/** A batch, and the first answer to it that was heard. */
export interface Told {
  readonly operations: readonly Operation[];
  heard?: readonly Answer[];
}

/** The batches of one client, on a driver's pool of its own; the driver's dollars are the root's. */
export function batchesOf(driver: string, count: number): Told[] {
  return Array.from({ length: count }, (_, index) => {
    const id = (name: string): string => `${driver}/${index}/${name}`;
    const leaf = `${driver}-leaf-${index}`;
    const operations: Operation[] = [
      { operation_id: id("meter"), op: "meter", pool_id: driver, spend: spendOf(3, "0.001") },
      {
        operation_id: id("spawn"),
        op: "spawn",
        pool_id: driver,
        node_id: leaf,
        label: leaf,
        budget: { tokens: HELD_PER_BATCH },
      },
      { operation_id: id("dispatch"), op: "dispatch", node_id: leaf },
      { operation_id: id("settle"), op: "settle", node_id: leaf, outcome: "done", spend: spendOf(5, "0.002", 1) },
      { operation_id: id("root"), op: "meter", pool_id: "root", spend: spendOf(2, "0.004") },
    ];
    return { operations };
  });
}

/** What came of telling batches to a server. */
export interface Hearing {
  /** How many were answered before the connection was lost, if it was. */
  readonly answered: number;
  /** What must not be: a second answer that differs, a batch done in part, an operation that is neither ok nor replayed. */
  readonly complaints: readonly string[];
}

/** Tells the batches in order on one connection, until that is lost; `onAnswer` hears of every answer. */
export async function tell(
  url: string,
  tenantId: string,
  batches: readonly Told[],
  onAnswer: () => void,
): Promise<Hearing> {
  const client = await connect(url);
  const complaints: string[] = [];
  let answered = 0;
  try {
    for (const told of batches) {
      const answers = await submit(client, tenantId, told.operations);
      complaints.push(...complaintsAbout(told, answers));
      told.heard ??= answers;
      answered += 1;
      onAnswer();
    }
  } catch (error) {
    if (!isLostConnection(error)) complaints.push(`${error} ${JSON.stringify(error)}`);
  } finally {
    await client.end().catch(() => {});
  }
  return { answered, complaints };
}

function complaintsAbout({ operations, heard }: Told, answers: readonly Answer[]): string[] {
  const name = String(operations[0]?.operation_id);
  const statuses = [...new Set(answers.map(({ status }) => status))];
  const expected = heard === undefined ? ["ok", "replayed"] : ["replayed"];
  const complaints: string[] = [];
  if (statuses.length !== 1 || !expected.includes(statuses[0] ?? "")) {
    complaints.push(`${name}: ${statuses.join()} where ${expected.join(" or ")} was due`);
  }
  const content = (list: readonly Answer[]): string => JSON.stringify(list.map(({ status: _, ...rest }) => rest));
  if (heard !== undefined && content(heard) !== content(answers)) {
    complaints.push(`${name}: first ${content(heard)}, then ${content(answers)}`);
  }
  return complaints;
}

/** The server went away: said by itself (57P01, 57P02, 57P03), or not at all. */
function isLostConnection(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return /^57P0|^ECONN|^EPIPE|^08/.test(code ?? "") || /Connection terminated|not queryable/.test(message ?? "");
}
