import { describe, expect, it } from "vitest";
import { newId } from "../../src/ledger/ids.js";

describe("an id", () => {
  it("is short, begins as those made in the same minute, and is not made twice", () => {
    const minute = (): string => Math.floor(Date.now() / 60_000).toString(36);
    const before = minute();
    const ids = Array.from({ length: 1_000 }, newId);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-z]{5}[\w-]{12}$/);
      expect([before, minute()]).toContain(id.slice(0, 5));
    }
    expect(new Set(ids).size).toBe(ids.length);
  });
});
