/** Is a second draft worth it? Two arms work on the same tasks at equal cost; they are compared only where the ledger says that it was equal. */
import { type Agent, createLedger, createSupervisor, worker } from "../../../src/index.js";

const ledger = createLedger({ tenantId: "local" });
const supervisor = createSupervisor({ ledger });

/** One draft costs what its length says; a longer one is better. */
const drafter = worker("drafter", ({ task, tokens }: { task: string; tokens: number }) => ({
  out: { task, tokens },
  verdict: { valid: true, score: tokens / 1_000 },
  spent: { input_tokens: tokens / 2, output_tokens: tokens / 2, usd: (tokens / 100_000).toFixed(5) },
}));

/** An arm: so many drafts of so many tokens; the best is taken. */
function arm(name: string, drafts: readonly number[]): Agent<string, { task: string; tokens: number }> {
  return {
    name,
    async act(task, scope) {
      for (const tokens of drafts) {
        await scope.spawn(
          drafter,
          { task, tokens },
          { label: "draft", budget: { tokens: 1_000, iterations: 1, usd: "0.02" } },
        );
      }
      let best: { task: string; tokens: number } | undefined;
      for (let settled = await scope.next(); settled; settled = await scope.next()) {
        const draft = settled.kind === "done" ? (settled.out as { task: string; tokens: number }) : undefined;
        if (draft && draft.tokens > (best?.tokens ?? 0)) best = draft;
      }
      return best;
    },
  };
}

const arms = [arm("one draft", [1_000]), arm("two drafts", [500, 480])];
for (const task of ["index", "parser", "retry"]) {
  for (const agent of arms) {
    const runId = `drafts/${agent.name}/${task}`;
    const budget = { tokens: 2_500, iterations: 4, usd: "0.05" };
    const result = await supervisor.run(agent, task, { runId, budget, experiment: "drafts", arm: agent.name, task });
    const resolved = result.kind === "winner" && result.out.tokens > 900;
    await ledger.apply([{ op: "judge", operation_id: `${runId}/judged`, run_id: runId, resolved }]);
  }
}

for (const { channel, verdict, spread, median, fraction } of await ledger.equalK("drafts")) {
  console.log(channel, verdict, spread, median, fraction);
}
const { outcomes } = await ledger.compareArms("drafts", "one draft", "two drafts");
console.log(outcomes?.only_a, "of", outcomes?.pairs, "tasks resolved by one draft alone, p =", outcomes?.p_value);
await ledger.close();
