/**
 * One session holds an operation uncommitted while another submits a second one. Where they share a balance the second
 * waits, sees how the first ended, and succeeds.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import type { Answer } from "./operations.js";
import { PAIRS, type Place } from "./pairs.js";
import { type Meeting, meetingAt, prepare } from "./places.js";
import { type Ending, openSession, type Session, untilWaiting } from "./sessions.js";

let database: TestDatabase;
let holder: Session;
let submitter: Session;
let observer: Session;

beforeAll(async () => {
  database = await createTestDatabase();
  [holder, submitter, observer] = await Promise.all([
    openSession(database),
    openSession(database),
    openSession(database),
  ]);
});
afterAll(() => database?.drop());

/** The code of the one answer; ok where there is none. */
function codeOf([answer]: Answer[]): string {
  return answer?.code ?? String(answer?.status);
}

interface Outcome {
  readonly first: Answer[];
  readonly second: Answer[];
}

/** The first operation is held until the second one waits for its locks. */
async function meet(tenantId: string, { first, second }: Meeting, ending: Ending): Promise<Outcome> {
  await holder.begin();
  const firstAnswers = await holder.apply(tenantId, [first]);
  const secondAnswers = submitter.submit(tenantId, [second]);
  await untilWaiting(observer.client, submitter.pid);
  await holder.end(ending);
  return { first: firstAnswers, second: await secondAnswers };
}

/** What the same two operations do one after the other. */
async function oneAfterTheOther(tenantId: string, { first, second }: Meeting): Promise<Outcome> {
  return { first: await submitter.submit(tenantId, [first]), second: await submitter.submit(tenantId, [second]) };
}

/** All there is to know of a tenant's books but the time. */
async function booksOf(tenantId: string): Promise<unknown> {
  const { rows } = await observer.client.query(
    `select
       (select jsonb_agg(to_jsonb(c) - '{tenant_id}'::text[] order by c.pool_id, c.channel)
        from ledger.channels c where c.tenant_id = $1) as channels,
       (select jsonb_agg(to_jsonb(j) - '{tenant_id,recorded_at,effective_at}'::text[] order by j.pool_id, j.seq)
        from ledger.journal j where j.tenant_id = $1) as journal`,
    [tenantId],
  );
  return rows[0];
}

describe.each(Object.keys(PAIRS) as Place[])("%s", (place) => {
  describe.each(PAIRS[place])("%s (%s), then %s", (first, firstCode, second, committed, rolledBack) => {
    const meeting = meetingAt(place, first, second);
    const tenantOf = (variant: string): string => `${place}: ${first}, ${second}, ${variant}`;

    it(`answers ${committed} after the commit, as one after the other`, async () => {
      const [tenantId, twinId] = [tenantOf("commit"), tenantOf("one after the other")];
      await prepare(observer.client, tenantId, meeting.setup);
      await prepare(observer.client, twinId, meeting.setup);
      const outcome = await meet(tenantId, meeting, "commit");
      expect(codeOf(outcome.first)).toBe(firstCode);
      expect(codeOf(outcome.second)).toBe(committed);
      expect(outcome).toEqual(await oneAfterTheOther(twinId, meeting));
      expect(await booksOf(tenantId)).toEqual(await booksOf(twinId));
    });

    it(`answers ${rolledBack} after the rollback`, async () => {
      const tenantId = tenantOf("rollback");
      await prepare(observer.client, tenantId, meeting.setup);
      const outcome = await meet(tenantId, meeting, "rollback");
      expect(codeOf(outcome.second)).toBe(rolledBack);
    });
  });
});

it("left sound books everywhere", async () => {
  expect((await observer.client.query("select tenant_id, pool_id, rule, detail from ledger.audit")).rows).toEqual([]);
});
