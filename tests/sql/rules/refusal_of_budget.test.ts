import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";
import { computed } from "./evaluate.js";

const ledger = useLedger();

/** A channel of the asked pool and who pays it: itself, a pool above, or nobody; free before the asking. */
interface Asked {
  readonly channel: string;
  readonly capped?: boolean;
  readonly payer: { readonly free: number; readonly seals?: number } | null;
}

const own = (channel: string, free: number, seals = 0): Asked => ({ channel, capped: true, payer: { free, seals } });
const above = (channel: string, free: number, seals = 0): Asked => ({ channel, payer: { free, seals } });
const nobody = (channel: string): Asked => ({ channel, payer: null });

function refusal(channels: readonly Asked[], budget: Readonly<Record<string, number | string>>): Promise<unknown> {
  const rows = channels.map(({ channel, capped }) => ({ channel, total: capped ? 1 : null }));
  // What the pool itself caps is asked for after it was taken.
  const left = ({ channel, capped, payer }: Asked): number =>
    (payer?.free ?? 0) - (capped ? Number(budget[channel] ?? 0) : 0);
  const payers = channels.map((asked) =>
    asked.payer === null
      ? null
      : { channel: asked.channel, total: 1, seals: asked.payer.seals ?? 0, free: left(asked) },
  );
  const list = (n: number) => `array(
    select jsonb_populate_record(null::l.channels, nullif(c.row, 'null')) from jsonb_array_elements($${n}::jsonb) with ordinality c (row, n) order by c.n
  )`;
  return computed(
    ledger,
    `l.refusal_of_budget(${list(1)}, ${list(2)}, $3::jsonb)`,
    ...[rows, payers, budget].map((value) => JSON.stringify(value)),
  );
}

const short = (channel: string, requested: string, free: string) => ({ channel, requested, free });

describe("refusal_of_budget", () => {
  it.each([
    ["what fits", [own("tokens", 5), own("usd", 1)], { tokens: 5, usd: "1.0" }],
    ["nothing of a pool that has nothing", [own("tokens", 0)], { tokens: 0 }],
    ["what is not named and not short", [own("tokens", 5), own("gpu", 0)], { tokens: 1 }],
    ["anything that nobody pays", [nobody("tokens"), nobody("gpu")], { tokens: 99, gpu: 5 }],
    ["no dollars of a pool without", [nobody("usd")], { usd: 0 }],
    ["what a pool above has", [above("gpu", 3)], { gpu: 3 }],
  ])("lets pass %s", async (_what, channels, budget) => {
    expect(await refusal(channels, budget)).toBeNull();
  });

  it.each([
    ["more than is free", [own("tokens", 5)], { tokens: 6 }, [short("tokens", "6", "5")]],
    ["nothing of a pool below zero", [own("tokens", -1)], { tokens: 0 }, [short("tokens", "0", "-1")]],
    [
      "what is not named of a pool below zero",
      [own("tokens", 5), own("gpu", -0.5)],
      { tokens: 1 },
      [short("gpu", "0", "-0.5")],
    ],
    ["more than a pool above has", [above("gpu", 2)], { gpu: "2.5" }, [short("gpu", "2.5", "2")]],
    [
      "all that is short",
      [own("tokens", 1), own("usd", 0.1), own("gpu", 0)],
      { tokens: 2, usd: "0.2", gpu: 1 },
      [short("tokens", "2", "1"), short("usd", "0.2", "0.1"), short("gpu", "1", "0")],
    ],
  ])("is budget-exhausted for %s", async (_what, channels, budget, shortfall) => {
    expect(await refusal(channels, budget)).toEqual({ code: "budget-exhausted", shortfall });
  });

  it.each([
    ["usd-unbudgeted", "dollars nobody pays", [own("tokens", 1), nobody("usd")], { tokens: 1, usd: "0.1" }],
    ["usd-unbudgeted", "dollars that a pool above pays", [own("tokens", 1), above("usd", 9)], { tokens: 1, usd: 1 }],
    ["usd-unbudgeted", "and more tokens than there are", [own("tokens", 1), above("usd", 0)], { tokens: 2, usd: 1 }],
    ["usd-sealed", "nothing of sealed dollars", [own("tokens", 1), own("usd", 0, 1)], { tokens: 1 }],
    ["usd-sealed", "sealed above", [own("tokens", 1), above("usd", 0, 2)], { tokens: 1 }],
    ["usd-sealed", "and unbudgeted, and too much", [own("tokens", 1), above("usd", 0, 1)], { tokens: 2, usd: 1 }],
  ])("is %s for %s", async (code, _what, channels, budget) => {
    expect(await refusal(channels, budget)).toEqual({ code });
  });
});
