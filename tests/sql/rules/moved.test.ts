import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";
import { computed } from "./evaluate.js";

const ledger = useLedger();

/** Columns of a channel row; what is not named is 0. */
interface Channel {
  readonly total: number | null;
  readonly reserved?: number;
  readonly committed?: number;
  readonly uncertain?: number;
  readonly remainder?: number;
  readonly unknown?: number;
  readonly seals?: number;
}
interface Move {
  readonly funded?: number;
  readonly held?: number;
  readonly spent?: number;
  readonly uncertain?: number;
  readonly unknown?: number;
  readonly seals?: number;
}

const NO_CHANNEL = { reserved: 0, committed: 0, uncertain: 0, remainder: 0, unknown: 0, seals: 0 };
const NO_MOVE = { channel: "usd", funded: 0, held: 0, spent: 0, uncertain: 0, unknown: 0, seals: 0, draws: false };

/** `[total, free, reserved, committed, uncertain, remainder]` and `[unknown, seals]` after a move. */
async function moved(channel: Channel, move: Move, options: { seals?: boolean; follows?: boolean } = {}) {
  const free = channel.total === null ? null : channel.total - (channel.reserved ?? 0) - (channel.committed ?? 0);
  const row = (await computed(
    ledger,
    `to_jsonb(l.moved(jsonb_populate_record(null::l.channels, $1), jsonb_populate_record(null::l.move, $2), $3, $4))`,
    JSON.stringify({ ...NO_CHANNEL, channel: "usd", free, ...channel }),
    JSON.stringify({ ...NO_MOVE, ...move }),
    options.seals ?? true,
    options.follows ?? false,
  )) as Record<string, number>;
  return {
    balance: [row.total, row.free, row.reserved, row.committed, row.uncertain, row.remainder],
    counts: [row.unknown, row.seals],
  };
}

describe("a channel row after a move", () => {
  it.each([
    ["funding", { total: 10, reserved: 2, committed: 3 }, { funded: 5 }, [15, 10, 2, 3, 0, 0]],
    ["a hold", { total: 10, reserved: 2 }, { held: 3 }, [10, 5, 5, 0, 0, 0]],
    ["spend out of a hold", { total: 10, reserved: 5 }, { held: -5, spent: 2 }, [10, 8, 0, 2, 0, 0]],
    ["spend beyond what is there", { total: 10 }, { spent: 12 }, [10, -2, 0, 12, 0, 0]],
    ["an estimate", { total: 10 }, { spent: 4, uncertain: 4 }, [10, 6, 0, 4, 4, 0]],
    ["a correction", { total: 10, committed: 4, uncertain: 4 }, { spent: -1, uncertain: -4 }, [10, 7, 0, 3, 0, 0]],
    ["nothing", { total: 10, reserved: 1, committed: 2, uncertain: 1 }, {}, [10, 7, 1, 2, 1, 0]],
  ])("adds up after %s", async (_what, channel, move, balance) => {
    expect((await moved(channel, move)).balance).toEqual(balance);
  });

  it("only observes where it has no total", async () => {
    const { balance, counts } = await moved(
      { total: null, committed: 2 },
      { spent: 3, uncertain: 1, unknown: 1, seals: 1 },
    );
    expect(balance).toEqual([null, null, 0, 5, 1, 0]);
    expect(counts).toEqual([1, 0]);
  });

  const SEALED = { total: 10, committed: 10, uncertain: 7, remainder: 7, unknown: 1, seals: 1 };
  it.each([
    ["the unknown event", { total: 10, committed: 3 }, { unknown: 1, seals: 1 }, [10, 0, 0, 10, 7, 7]],
    [
      "the unknown event beside a hold",
      { total: 10, reserved: 4, committed: 3 },
      { unknown: 1, seals: 1 },
      [10, 0, 4, 6, 3, 3],
    ],
    [
      "the unknown event of a pool below zero",
      { total: 10, committed: 12 },
      { unknown: 1, seals: 1 },
      [10, -2, 0, 12, 0, 0],
    ],
    ["known spend", SEALED, { spent: 2 }, [10, 0, 0, 10, 5, 5]],
    ["known spend beyond the remainder", SEALED, { spent: 9 }, [10, -2, 0, 12, 0, 0]],
    ["an estimate", SEALED, { spent: 2, uncertain: 2 }, [10, 0, 0, 10, 7, 5]],
    [
      "a refund",
      { ...SEALED, reserved: 4, committed: 6, uncertain: 3, remainder: 3 },
      { held: -4, spent: 1 },
      [10, 0, 0, 10, 6, 6],
    ],
    ["funding", SEALED, { funded: 5 }, [15, 0, 0, 15, 12, 12]],
    ["a second unknown event", SEALED, { unknown: 1, seals: 1 }, [10, 0, 0, 10, 7, 7]],
  ])(
    "keeps what is neither held nor known as the remainder while it is sealed: %s",
    async (_what, channel, move, balance) => {
      expect((await moved(channel, move)).balance).toEqual(balance);
    },
  );

  it("opens when the last seal goes, and not before", async () => {
    const twice = { ...SEALED, unknown: 2, seals: 2 };
    const correction = { spent: 2, unknown: -1, seals: -1 };
    expect(await moved(twice, correction)).toEqual({ balance: [10, 0, 0, 10, 5, 5], counts: [1, 1] });
    expect(await moved(SEALED, correction)).toEqual({ balance: [10, 5, 0, 5, 0, 0], counts: [0, 0] });
  });

  it("only counts the unknown where the pool flags it", async () => {
    const flagged = await moved({ total: 10, committed: 3 }, { unknown: 1, seals: 1 }, { seals: false });
    expect(flagged).toEqual({ balance: [10, 7, 0, 3, 0, 0], counts: [1, 0] });
  });

  const CLOSED = { total: 6, committed: 6 };
  it.each([
    ["late spend", CLOSED, { spent: 2 }, [8, 0, 0, 8, 0, 0]],
    ["a correction", CLOSED, { spent: -2 }, [4, 0, 0, 4, 0, 0]],
    [
      "late known spend under a seal",
      { ...CLOSED, uncertain: 4, remainder: 4, unknown: 1, seals: 1 },
      { spent: 3 },
      [6, 0, 0, 6, 1, 1],
    ],
    [
      "more than the remainder of a seal",
      { ...CLOSED, uncertain: 4, remainder: 4, unknown: 1, seals: 1 },
      { spent: 5 },
      [7, 0, 0, 7, 0, 0],
    ],
    [
      "the end of its seal",
      { ...CLOSED, uncertain: 4, remainder: 4, unknown: 1, seals: 1 },
      { spent: 1, unknown: -1, seals: -1 },
      [3, 0, 0, 3, 0, 0],
    ],
  ])("has a total that follows in a closed pool: %s", async (_what, channel, move, balance) => {
    expect((await moved(channel, move, { follows: true })).balance).toEqual(balance);
  });
});
