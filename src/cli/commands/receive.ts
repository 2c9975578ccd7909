/** `agent-ledger receive otel`: spans of running programs, until it is told to stop. */
import { type Command, InvalidArgumentError } from "commander";
import { Complaint } from "../../database/complaint.js";
import { type Receiver, type ReceiverOptions, receiveOtel } from "../../import/otel/receiver.js";
import type { IngestReport } from "../../import/otel/report.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { wholeNumber } from "../options.js";
import { amount, print, printError, printJsonError, printJsonLine } from "../output.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";
import { printProblems, type WhereOptions, whereOf, withWhere } from "./import-otel.js";

interface ReceiveOptions extends ConnectionOptions, WhereOptions {
  readonly host: string;
  readonly port: number;
}

/** Adds the verb. */
export function addReceive(program: Command): void {
  const source = program.command("receive").description("take in what agents do elsewhere, as they do it");
  const command = withWhere(
    source
      .command("otel")
      .option(
        "--host <address>",
        "where to listen; another than the default lets other machines write here",
        "127.0.0.1",
      )
      .option("--port <port>", "0 takes one that is free", port, 4318)
      .description(
        "receive spans by OTLP over HTTP (OTEL_EXPORTER_OTLP_PROTOCOL=http/json), until Ctrl-C; with --json a line per batch",
      ),
  );
  addWork(command, (options: ReceiveOptions) => withLedger(options, (ledger) => receive(ledger, options)));
}

function port(text: string): number {
  const number = wholeNumber(text);
  if (number > 65_535) throw new InvalidArgumentError("It is a number from 0 to 65535.");
  return number;
}

async function receive(ledger: Ledger, options: ReceiveOptions): Promise<void> {
  const { json, host, port } = options;
  const totals = { batches: 0, calls: 0, tools: 0, rejected: 0 };
  const onBatch = (report: IngestReport): void => {
    totals.batches += 1;
    totals.calls += report.calls.new;
    totals.tools += report.tools.new;
    totals.rejected += report.rejected;
    if (json) printJsonLine(report);
    else printProblems(report.problems, printError);
  };
  const onError = (error: unknown): void => {
    const message = `a batch could not be booked: ${error instanceof Error ? error.message : String(error)}`;
    if (json) printJsonError({ notice: { message } });
    else printError(message);
  };
  const receiver = await started(ledger, { host, port, ...whereOf(options), onBatch, onError });
  const stopped = untilStopped();
  if (json) printJsonLine({ url: receiver.url });
  else print(`Receiving at ${receiver.url}`);
  if (!stopped.aborted) await new Promise((resolve) => stopped.addEventListener("abort", resolve, { once: true }));
  await receiver.close();
  if (json) printJsonLine({ totals });
  else {
    const [batches, calls, tools, rejected] = Object.values(totals).map((number) => amount(String(number)));
    print(
      `${batches} batches: ${calls} model calls and ${tools} tool calls were new, ${rejected} spans were not taken`,
    );
  }
}

async function started(ledger: Ledger, options: ReceiverOptions): Promise<Receiver> {
  try {
    return await receiveOtel(ledger, options);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== "listen" && syscall !== "getaddrinfo") throw error;
    throw new Complaint(
      `${options.host}:${options.port} cannot be listened on (${code}): choose another --port or --host`,
    );
  }
}
