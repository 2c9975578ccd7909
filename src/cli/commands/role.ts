/** `agent-ledger role bind`: says for which tenant a login role acts, as an administrator. */
import type { Command } from "commander";
import { bindRole } from "../../ledger/call.js";
import { type ConnectionOptions, withAdministrator } from "../context.js";
import { print, printJson } from "../output.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addRole(program: Command): void {
  const role = program.command("role").description("administer login roles");
  const bind = role
    .command("bind")
    .argument("<role>", "a login role of the server")
    .argument("<tenant>", "the tenant it acts for from now on; * for all")
    .description("let a login role act for a tenant; what it may do there comes from ledger_writer or ledger_auditor");
  addWork(bind, async (options: ConnectionOptions, name: string, tenant: string) => {
    await withAdministrator(options, (client) => bindRole(client, name, tenant));
    if (options.json) printJson({ role: name, tenant_id: tenant });
    else print(`${name} acts for ${tenant === "*" ? "all tenants" : `tenant ${tenant}`}`);
  });
}
