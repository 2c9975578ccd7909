/** The coordination tools on a run of their own, called as a model calls them. */
import {
  type CoordinationToolsOptions,
  createCoordinationTools,
} from "../../../src/supervise/driver/coordination-tools.js";
import type { TestClients } from "../../ledger/client.js";
import { useDriverRuns } from "./drivers.js";
import { echo, judged, perWorker } from "./workers.js";

/** Call once, at the top of a test file. */
export function useTools(clients: TestClients) {
  const open = useDriverRuns(clients);
  return async (more: Partial<CoordinationToolsOptions> = {}) => {
    const { ledger, scope } = await open({ tokens: 1_000, iterations: 10, usd: 1 });
    const profiles = { echo, judged, ...more.profiles };
    const tools = createCoordinationTools({ scope, perWorker, awaitMs: 20_000, ...more, profiles });
    const call = (name: string, args: unknown = {}) =>
      tools.call(name, typeof args === "string" ? args : JSON.stringify(args));
    return { ledger, scope, tools, call };
  };
}
