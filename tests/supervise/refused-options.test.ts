/** What is made of options is refused where it is made: which option, which rule. */
import { describe, expect, it } from "vitest";
import { driverChild } from "../../src/supervise/agent.js";
import { createCoordinationTools } from "../../src/supervise/driver/coordination-tools.js";
import { coordinationDriverAgent } from "../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../src/supervise/driver/scripted-chat.js";
import { streamingWorker, worker } from "../../src/supervise/executors.js";

const refused = (path: string, rule: unknown) => expect.objectContaining({ code: "LG001", detail: { path, rule } });

describe("a worker", () => {
  it.each([
    ["worker", worker],
    ["streamingWorker", streamingWorker],
  ])("of %s needs a name and a function", (_, made) => {
    const make = made as unknown as (...given: unknown[]) => unknown;
    const rule = "must be a function: worker(name, run)";
    expect(() => make("w")).toThrow(refused("worker.run", rule));
    expect(() => make("w", { run: () => 1 })).toThrow(refused("worker.run", rule));
    expect(() => make(async () => 1)).toThrow(refused("worker.name", "must be a text, not a function"));
  });
});

it("a driver's child is made of an agent", () => {
  const leaf = worker("leaf", () => ({ out: 1, spent: {} }));
  expect(() => driverChild(leaf as never)).toThrow(refused("agent.act", "must be a function"));
  expect(() => driverChild(undefined as never)).toThrow(
    refused("agent", "is required: it must be an object with name, act"),
  );
});

describe("coordination tools", () => {
  const given = { scope: { spawn: () => {} }, profiles: {}, perWorker: {} };
  const keys = "scope, profiles, perWorker, check?, tools?, awaitMs?, onReply?, interruption?";

  it.each<[object | undefined, string, unknown]>([
    [undefined, "options", `is required: it must be an object with ${keys}`],
    [{ ...given, scope: {} }, "options.scope", "must be the scope that act is called with"],
    [
      { scope: given.scope, profiles: {} },
      "options.perWorker",
      "is required: it must be an object with maxTokens?, maxIterations?, maxUsd?",
    ],
    [
      { scope: given.scope, profile: {}, perWorker: {} },
      "options.profiles",
      `is required: it must be an object; the object has the unknown key "profile": there can be ${keys}`,
    ],
    [{ ...given, wait: 1 }, "options", `has the unknown key "wait": there can be ${keys}`],
    [{ ...given, awaitMs: -1 }, "options.awaitMs", "must be at least 0"],
    [
      { ...given, profiles: { w: { act: () => {} } } },
      "options.profiles.w",
      "must be a worker, a driverChild, or a function that makes one",
    ],
    [{ ...given, check: true }, "options.check", "must be a function"],
  ])("of %o are refused", (options, path, rule) => {
    expect(() => createCoordinationTools(options as never)).toThrow(refused(path, rule));
  });
});

it("a driver tells in words what its options must be", () => {
  const make = (more: object) => () =>
    coordinationDriverAgent({ name: "d", chat: scriptedChat([]), profiles: {}, perWorker: {}, ...more });
  expect(make({ maxTurns: -1 })).toThrow(refused("options.maxTurns", "must be at least 0"));
  expect(make({ maxTurn: 3 })).toThrow(
    refused("options", expect.stringMatching(/^has the unknown key "maxTurn": there can be name, chat, .*maxTurns\?/)),
  );
  expect(make({ perWorker: { tokens: 1 } })).toThrow(
    refused("options.perWorker", 'has the unknown key "tokens": there can be maxTokens?, maxIterations?, maxUsd?'),
  );
});
