/** Options of the chat that are refused, by path and rule. */
import OpenAI from "openai";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LedgerError } from "../../../src/ledger/errors.js";
import { routerDriverChat } from "../../../src/supervise/router/chat.js";
import type { RouterChatOptions } from "../../../src/supervise/router/options.js";

afterEach(() => {
  vi.unstubAllEnvs();
});

const client = new OpenAI({ apiKey: "key" });
const URL_RULE = "must be a URL of http or https";

describe("an option", () => {
  it.each<[object, string, unknown?]>([
    [{ model: "" }, "options.model"],
    [{ model: undefined }, "options.model"],
    [{ client: {} }, "options.client", "must be a client of openai"],
    [{ baseURL: "example.org" }, "options.baseURL", URL_RULE],
    [{ baseURL: "ftp://example.org" }, "options.baseURL", URL_RULE],
    [{ apiKey: "" }, "options.apiKey"],
    [{ client, baseURL: "http://127.0.0.1" }, "options.baseURL", "is given beside client: give one of them"],
    [{ client, apiKey: "key" }, "options.apiKey", "is given beside client: give one of them"],
    [{}, "options.apiKey", "is required: give it, a client or a baseURL, or set OPENAI_API_KEY"],
    [{ client, timeoutMs: 0 }, "options.timeoutMs"],
    [{ client, timeoutMs: 2 ** 31 }, "options.timeoutMs"],
    [{ client, maxRetries: -1 }, "options.maxRetries"],
    [{ client, maxTokens: 0.5 }, "options.maxTokens"],
    [{ client, temperature: Number.NaN }, "options.temperature"],
    [{ client, headers: { "x-number": 1 } }, "options.headers.x-number"],
    [{ client, extraBody: { messages: [] } }, "options.extraBody.messages", "is set by the chat itself"],
    [{ client, extraBody: { n: 2 } }, "options.extraBody.n", "is set by the chat itself"],
    [{ client, retries: 1 }, "options", expect.stringMatching(/^has the unknown key "retries": .*maxRetries\?/)],
  ])("%o is refused", (given, path, rule) => {
    vi.stubEnv("OPENAI_API_KEY", "");
    const made = (): unknown => routerDriverChat({ model: "small", ...given } as RouterChatOptions);
    expect(made).toThrow(LedgerError);
    expect(made).toThrow(
      expect.objectContaining({
        code: "LG001",
        detail: expect.objectContaining({ path, ...(rule !== undefined && { rule }) }),
      }),
    );
  });

  it("may come from the environment", () => {
    vi.stubEnv("OPENAI_API_KEY", "key");
    expect(routerDriverChat({ model: "small", provider: "openai" })).toMatchObject({
      model: "small",
      provider: "openai",
    });
  });
});
