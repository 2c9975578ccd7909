/** `agent-ledger tenant create`: makes a tenant, as an administrator. */
import type { Command } from "commander";
import { createTenant } from "../../ledger/call.js";
import { type ConnectionOptions, withAdministrator } from "../context.js";
import { print, printJson } from "../output.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addTenant(program: Command): void {
  const tenant = program.command("tenant").description("administer tenants");
  const create = tenant.command("create").argument("<id>", "its id").description("make a tenant; repeating it is ok");
  addWork(create, async (options: ConnectionOptions, id: string) => {
    await withAdministrator(options, (client) => createTenant(client, id));
    if (options.json) printJson({ tenant_id: id });
    else print(`Tenant ${id} is there. Next: agent-ledger role bind <role> ${id}`);
  });
}
