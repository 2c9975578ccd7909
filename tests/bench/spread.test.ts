/** What is said of several samples. */
import { describe, expect, it } from "vitest";
import { spreadOf } from "./spread.js";

describe("median and range", () => {
  it.each([
    [[3, 1, 2], { median: 2, least: 1, most: 3 }],
    [[4, 1, 2, 3], { median: 2.5, least: 1, most: 4 }],
  ])("of %j", (samples, expected) => {
    expect(spreadOf(samples)).toEqual(expected);
  });
});
