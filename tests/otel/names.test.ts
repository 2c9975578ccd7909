/** Names of attributes are those of the package of semantic conventions, and none is told apart by spelling alone. */
import * as conventions from "@opentelemetry/semantic-conventions/incubating";
import { expect, it } from "vitest";
import { GEN_AI, GENERAL, LEDGER, OPERATION } from "../../src/otel/names.js";

const entries = Object.entries(conventions as Record<string, unknown>);
const valuesOf = (prefix: string): unknown[] =>
  entries.filter(([name]) => name.startsWith(prefix)).map(([, value]) => value);

it("every attribute is one of the conventions, every operation a value of theirs, and our own have a prefix of our own", () => {
  const attributes = valuesOf("ATTR_");
  expect(attributes.length).toBeGreaterThan(100);
  expect([...Object.values(GEN_AI), ...Object.values(GENERAL)].filter((name) => !attributes.includes(name))).toEqual(
    [],
  );
  expect(Object.values(OPERATION).toSorted()).toEqual(valuesOf("GEN_AI_OPERATION_NAME_VALUE_").toSorted());
  for (const name of Object.values(LEDGER)) expect(name).toMatch(/^agent_ledger\./);
  const all = [...Object.values(GEN_AI), ...Object.values(GENERAL), ...Object.values(LEDGER)];
  expect(new Set(all).size).toBe(all.length);
});
