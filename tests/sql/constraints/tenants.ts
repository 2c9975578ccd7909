/** Breaches of tenants, role_bindings, blobs and retries. The database holds one tenant, so no row names it. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

export const TENANT_BREACHES: readonly Breach[] = [
  unique("tenants_pkey", "a second tenant of the same id", copyOf("tenants", "true", {})),
  check("tenants_id_short", "a tenant without a name", copyOf("tenants", "true", { tenant_id: "" })),
  check("tenants_id_short", "a tenant id of 201 characters", copyOf("tenants", "true", { tenant_id: "x".repeat(201) })),
  check("tenants_id_short", "a tenant called as all tenants are", copyOf("tenants", "true", { tenant_id: "*" })),
  check("tenants_settings_object", "settings that are a list", "update ledger_private.tenants set settings = '[]'"),
  check(
    "tenants_frozen_pools_not_negative",
    "fewer than no frozen pools",
    "update ledger_private.tenants set frozen_pools = -1",
  ),
  unique("role_bindings_pkey", "the same binding again", copyOf("role_bindings", "true", {}), {
    alsoBreaks: ["role_bindings_role_once"],
  }),
  unique("role_bindings_role_once", "a role with two tenants", copyOf("role_bindings", "true", { tenant_id: "*" })),
  unique("blobs_pkey", "the same artifact again", copyOf("blobs", "true", {})),
  foreignKey("blobs_tenant_fkey", "an artifact of no tenant", copyOf("blobs", "true", { tenant_id: "nobody" })),
  check("blobs_id_is_digest", "an artifact changed under its digest", "update ledger_private.blobs set body = 'other'"),
  unique("retries_pkey", "the same hour of the same role again", copyOf("retries", "true", {})),
  foreignKey("retries_tenant_fkey", "retries of no tenant", copyOf("retries", "true", { tenant_id: "nobody" })),
  check("retries_positive", "an hour without any", "update ledger_private.retries set retries = 0"),
  check(
    "blobs_id_is_digest",
    "an artifact called otherwise",
    "update ledger_private.blobs set blob_id = 'sha256:00' where body = 'bytes'",
  ),
];
