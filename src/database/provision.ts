/** Preparing the embedded ledger for a tenant, and the login role that works for it. */
import { createHash, createHmac } from "node:crypto";
import type pg from "pg";
import { connect } from "./connect.js";

/** Who logs in. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

/**
 * Makes the tenant and a login role that may write for it alone, where they are missing. Several processes may do so at once.
 * Name and password follow from the tenant and the superuser's password, so that all of them know both.
 */
export async function provisionWriter(superuserUrl: string, tenantId: string): Promise<Login> {
  const user = `agent_ledger_${createHash("sha256").update(tenantId).digest("hex").slice(0, 40)}`;
  const secret = new URL(superuserUrl).password;
  const login = { user, password: createHmac("sha256", secret).update(user).digest("base64url") };
  const client = await connect(superuserUrl);
  try {
    if (!(await isReady(client, login, superuserUrl, tenantId))) await provision(client, login, tenantId);
  } finally {
    await client.end();
  }
  return login;
}

/** Whether that role can log in and is bound to the tenant. */
async function isReady(client: pg.Client, login: Login, superuserUrl: string, tenantId: string): Promise<boolean> {
  // Asked first, as the server's log would show the attempt of an unknown role as a failure.
  const { rowCount } = await client.query("select from pg_roles where rolname = $1 and rolcanlogin", [login.user]);
  if (!rowCount) return false;
  const url = new URL(superuserUrl);
  url.username = login.user;
  url.password = login.password;
  try {
    const writer = await connect(url.href);
    try {
      const { rows } = await writer.query<{ tenant_id: string }>("select ledger.caller_tenant() as tenant_id");
      return rows[0]?.tenant_id === tenantId;
    } finally {
      await writer.end();
    }
  } catch {
    return false;
  }
}

/** In one transaction, one process after the other: binding a role at once from two would fail. */
async function provision(client: pg.Client, { user, password }: Login, tenantId: string): Promise<void> {
  await client.query("begin isolation level read committed");
  await client.query("select pg_advisory_xact_lock(hashtextextended('agent-ledger embedded roles', 0))");
  await client.query("select ledger.create_tenant(p_tenant_id => $1::text)", [tenantId]);
  const { rowCount } = await client.query("select from pg_roles where rolname = $1", [user]);
  const verb = rowCount ? "alter" : "create";
  await client.query(`${verb} role ${user} login password ${client.escapeLiteral(password)}`);
  await client.query(`grant ledger_writer to ${user}`);
  await client.query("select ledger.bind_role(p_role => $1::text, p_tenant_id => $2::text)", [user, tenantId]);
  await client.query("commit");
}
