/** Tool `audit`: what is wrong with the books. */
import { z } from "zod";
import { isShown } from "../bounds.js";
import { argumentsOf, counted, cut, tool, USUAL_ROWS } from "../tool.js";

/** The tool. */
export const audit = tool({
  name: "audit",
  title: "Audit of the books",
  description:
    "Compares every balance with the journal. No finding: healthy. A server that is bound to a pool shows the findings at or below it.",
  input: z.strictObject({ limit: argumentsOf.limit }),
  output: z.object({
    healthy: z.boolean(),
    findings: z.array(z.object({ pool_id: z.string().nullable(), rule: z.string(), detail: z.unknown() })),
    truncated: z.boolean(),
  }),
  async answer(view, { limit = USUAL_ROWS }) {
    const found = await view.db
      .selectFrom("audit")
      .select(["pool_id", "rule", "detail"])
      .where("tenant_id", "=", view.tenantId)
      .where(isShown(view, "pools", "pool_id"))
      .orderBy("pool_id")
      .orderBy("rule")
      .limit(limit + 1)
      .execute();
    const { rows: findings, truncated } = cut(found, limit);
    const healthy = findings.length === 0;
    return {
      says: healthy
        ? "The books are right: no finding"
        : `The books are wrong: ${counted(findings.length, "finding", truncated)}`,
      content: { healthy, findings, truncated },
    };
  },
});
