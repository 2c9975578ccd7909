/**
 * A provider of models on the loopback interface: it answers workers and models, and bills every request that reaches it before it
 * answers, whoever lives to hear that. Its bill is what a ledger must not contradict.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Conversation, groupOfModel, nextMove } from "./policy.js";

/** One line of the bill. */
export interface BillLine {
  /** The request id that the answer has, where it is a model's. */
  readonly id: string;
  /** The node id of a worker, or the key of a group, where its driver's model is asked. */
  readonly caller: string;
  readonly input: number;
  readonly output: number;
  readonly microUsd: number;
}

/** Where a request is: not billed yet, billed and unanswered, answered in part, answered. */
export type Stage = "arrived" | "billed" | "half" | "answered";

export interface Provider {
  readonly url: string;
  readonly bill: readonly BillLine[];
  /** Is told of every stage of every request, which waits for it. */
  onStage(watch: (stage: Stage) => Promise<void> | void): void;
  close(): Promise<void>;
}

/** Starts one. */
export async function startProvider(): Promise<Provider> {
  const bill: BillLine[] = [];
  let watch: (stage: Stage) => Promise<void> | void = () => {};
  const charge = (caller: string): BillLine => {
    const n = bill.length;
    const line = {
      id: `request-${n}`,
      caller,
      input: 40 + ((n * 13) % 50),
      output: 5 + (n % 17),
      microUsd: 1_000 + ((n * 71) % 900),
    };
    bill.push(line);
    return line;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked: unknown = JSON.parse(await textOf(request));
    await watch("arrived");
    const text = JSON.stringify(request.url === "/work" ? workDone(asked as Work, charge) : reply(asked, charge));
    await watch("billed");
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
    response.write(text.slice(0, text.length / 2));
    await watch("half");
    response.end(text.slice(text.length / 2));
    await watch("answered");
  };
  const server = createServer((request, response) => {
    // Who asked may be dead by now.
    response.on("error", () => {});
    void answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bill,
    onStage(next) {
      watch = next;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

interface Work {
  readonly node: string;
}

/** What a worker reads of an answer. */
export interface WorkAnswer {
  readonly input: number;
  readonly output: number;
  readonly usd: string;
}

function workDone({ node }: Work, charge: (caller: string) => BillLine): WorkAnswer {
  const { input, output, microUsd } = charge(node);
  return { input, output, usd: (microUsd / 1e6).toFixed(6) };
}

function reply(asked: unknown, charge: (caller: string) => BillLine): unknown {
  const { model, messages } = asked as { model: string; messages: Conversation };
  const { id, input, output, microUsd } = charge(groupOfModel(model));
  const calls = nextMove(model, messages).map(({ name, args }, index) => {
    return { id: `${id}-${index}`, type: "function", function: { name, arguments: JSON.stringify(args) } };
  });
  const message = { role: "assistant", content: calls.length > 0 ? null : "done", tool_calls: calls };
  const finish_reason = calls.length > 0 ? "tool_calls" : "stop";
  return {
    id,
    object: "chat.completion",
    created: 0,
    model,
    choices: [
      { index: 0, message: calls.length > 0 ? message : { role: "assistant", content: "done" }, finish_reason },
    ],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, cost: microUsd / 1e6 },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}
