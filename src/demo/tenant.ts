/** Preparing a database for the demonstration, and the role that works in it. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { connect } from "../database/connect.js";
import { TENANT } from "./history.js";

const ROLE = "agent_ledger_demo";

/**
 * Makes the tenant and a login role that may write for it alone, and answers that role's URL. What
 * the demonstration shows is thus what an application would see, not what a superuser may do.
 */
export async function prepareTenant(superuserUrl: string): Promise<string> {
  const client = await connect(superuserUrl);
  const password = randomBytes(24).toString("base64url");
  try {
    await client.query("select ledger.create_tenant(p_tenant_id => $1)", [TENANT]);
    await ensureRole(client, password);
    await client.query("select ledger.bind_role(p_role => $1, p_tenant_id => $2)", [ROLE, TENANT]);
  } finally {
    await client.end();
  }
  const url = new URL(superuserUrl);
  url.username = ROLE;
  url.password = password;
  return url.href;
}

/** Roles belong to the cluster and outlive a database; the password is new at every start. */
async function ensureRole(client: pg.Client, password: string): Promise<void> {
  const { rowCount } = await client.query("select from pg_roles where rolname = $1", [ROLE]);
  if (!rowCount) await client.query(`create role ${ROLE} login in role ledger_writer`);
  await client.query(`alter role ${ROLE} password ${client.escapeLiteral(password)}`);
}
