/**
 * The coordination driver: a model that gives work to others. Before each turn it is asked whether to go on; then the model, whose call
 * is booked; then the tools the model called. An answer without tool calls ends it.
 */
import type { Readout } from "../../ledger/readout.js";
import type { Agent } from "../agent.js";
import type { Scope, Turns } from "../scope.js";
import type { ChatMessage, ChatRequest } from "./chat.js";
import { older, summaryMessage, summaryRequest } from "./compaction.js";
import { type CoordinationTools, createCoordinationTools } from "./coordination-tools.js";
import { type CoordinationDriverOptions, checkedOptions } from "./driver-options.js";
import { createInbox, type Inbox, messageText, replyText } from "./inbox.js";
import { keepBest } from "./keep-best.js";
import { type Called, modelCall } from "./model-call.js";
import { opening } from "./opening.js";
import { isStarved } from "./starvation.js";
import { jsonText, resultText } from "./text.js";

/** Model calls in a row that may report no usage: without it, no pool bounds a driver. */
const MOST_SILENT_CALLS = 20;

/** Why a driver cannot go on. `unmetered`: its model reports no usage. `unpriced`: dollars are capped and nobody knows its price. */
export class DriverError extends Error {
  constructor(
    override readonly name: "unmetered" | "unpriced",
    message: string,
  ) {
    super(message);
  }
}

/**
 * An agent whose model coordinates workers by tools. Its result is what it submitted and the check accepted, else the best of its
 * children's; what the model writes is none.
 * @throws {LedgerError} LG001 where an option is malformed, or a work tool has the name of another tool.
 */
export function coordinationDriverAgent<Task = unknown>(options: CoordinationDriverOptions<Task>): Agent<Task> {
  const checked = checkedOptions(options);
  return { name: checked.name, act: (task, scope) => new Conversation(checked, scope).run(task) };
}

/** One life of a driver. Nothing of it outlives the process; what must, is in the ledger. */
class Conversation<Task> {
  readonly #options: CoordinationDriverOptions<Task> & { readonly maxTurns: number };
  readonly #scope: Scope;
  readonly #inbox: Inbox = createInbox();
  readonly #tools: CoordinationTools;
  #head: readonly ChatMessage[] = [];
  #body: ChatMessage[] = [];
  #turn = 0;
  /** Tokens of the last prompt, as the provider counted them. */
  #prompt = 0;

  constructor(options: CoordinationDriverOptions<Task> & { readonly maxTurns: number }, scope: Scope) {
    this.#options = options;
    this.#scope = scope;
    this.#tools = createCoordinationTools({
      scope,
      profiles: options.profiles,
      perWorker: options.perWorker,
      check: options.check,
      tools: options.tools,
      awaitMs: options.awaitMs,
      onReply: (question) => this.#inbox.put(replyText(question)),
      interruption: () => this.#inbox.arrival(),
    });
  }

  async run(task: Task): Promise<unknown> {
    const { renderTask = textOf, system } = this.#options;
    this.#scope.onMessage((message) => this.#inbox.put(messageText(message)));
    try {
      this.#head = await opening(this.#scope, renderTask(task), system);
      this.#turn = (await this.#scope.turns()).next;
      // Bounded by maxTurns, else by the pool, which every call that reports usage draws on, else by MOST_SILENT_CALLS.
      while (await this.#goesOn());
    } finally {
      this.#inbox.close();
    }
    const submitted = this.#tools.ending()?.submitted;
    if (!submitted) return keepBest(this.#scope);
    this.#scope.conclude(submitted.verdict);
    return submitted.result;
  }

  /** One turn, or a compaction in its place; false where the driver is at its end. */
  async #goesOn(): Promise<boolean> {
    if (this.#tools.ending() || this.#scope.signal.aborted) return false;
    // Counted before the balances are read: a child that ends in between would be missed in both.
    const live = this.#scope.live();
    const [budget, turns] = await Promise.all([this.#scope.budget(), this.#scope.turns()]);
    if (hasPassed(budget)) return false;
    this.#assertMetered(turns);
    if (isStarved(budget, this.#options.perWorker, live)) {
      this.#scope.starve();
      return false;
    }
    if (this.#turn >= this.#options.maxTurns) return false;
    return (await this.#compacts(budget)) || (await this.#takesTurn(budget));
  }

  async #takesTurn(budget: Readout): Promise<boolean> {
    this.#body.push(...this.#inbox.drain().map((content): ChatMessage => ({ role: "user", content })));
    const called = await this.#call("driver-inference", [...this.#head, ...this.#body], this.#offered());
    this.#turn += 1;
    if ("error" in called) {
      if (this.#scope.signal.aborted || hasPassed(budget)) return false;
      throw called.error;
    }
    const { content, toolCalls } = called.answer;
    this.#prompt = called.promptTokens;
    this.#body.push({ role: "assistant", content, toolCalls });
    if (toolCalls.length === 0) return false;
    assertPriced(called, budget);
    for (const { id, name, arguments: args } of toolCalls) {
      const result = this.#ended() ? { error: "ended" } : await this.#tools.call(name, args);
      this.#body.push({ role: "tool", toolCallId: id, content: resultText(result) });
    }
    return true;
  }

  /** True where a summary was asked for: what it cost counts before the next turn is begun. */
  async #compacts(budget: Readout): Promise<boolean> {
    const { compaction } = this.#options;
    const parts = compaction && this.#prompt > compaction.aboveTokens ? older(this.#body, compaction) : undefined;
    if (!compaction || !parts) return false;
    this.#prompt = 0;
    const called = await this.#call("driver-compaction", summaryRequest(parts.summarised, compaction), []);
    if ("answer" in called && called.answer.content.trim() !== "") {
      this.#body = [summaryMessage(called.answer.content), ...parts.kept];
    }
    assertPriced(called, budget);
    return true;
  }

  #call(
    kind: "driver-inference" | "driver-compaction",
    messages: readonly ChatMessage[],
    tools: ChatRequest["tools"],
  ): Promise<Called> {
    const { name, compaction, maxUsdPerCall } = this.#options;
    const chat = (kind === "driver-compaction" && compaction?.chat) || this.#options.chat;
    const call = { scope: this.#scope, chat, kind, driver: name, turn: this.#turn, maxUsd: maxUsdPerCall };
    return modelCall(call, { messages, tools, signal: this.#scope.signal });
  }

  /** Usage is tokens: a receipt alone bounds a driver only where dollars are capped, and not where it says 0. */
  #assertMetered({ silent }: Turns): void {
    const { name, chat } = this.#options;
    if (chat.inference === "none" || silent < MOST_SILENT_CALLS) return;
    throw new DriverError(
      "unmetered",
      `the last ${silent} model calls of driver ${name} (${chat.model ?? "model not named"}) reported no usage, so that no pool bounds it: use an endpoint that reports tokens`,
    );
  }

  #ended(): boolean {
    return this.#tools.ending() !== undefined || this.#scope.signal.aborted;
  }

  #offered(): ChatRequest["tools"] {
    return this.#tools.tools.map(({ name, description, parameters }) => ({ name, description, parameters }));
  }
}

/** What was said without a price is not acted on, and the next call would be as unpriced. */
function assertPriced({ metered, tokensKnown, model, provider }: Called, { usdCapped }: Readout): void {
  if (!usdCapped || !tokensKnown || metered?.usd !== "unknown") return;
  throw new DriverError(
    "unpriced",
    `dollars are capped and the price of model ${model ?? "(not named)"} of provider ${provider ?? "(not named: the chat's provider says it)"} is not known: put it into the tenant's price book under these names, or use an endpoint that reports costs`,
  );
}

function hasPassed({ deadlineMs }: Readout): boolean {
  return deadlineMs !== null && Date.now() >= deadlineMs;
}

function textOf(task: unknown): string {
  return typeof task === "string" ? task : jsonText(task);
}
