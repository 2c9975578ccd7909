/** Every work by name. */
import type { Job, WorkName } from "../loads/jobs.js";
import { apply } from "./apply.js";
import { bareUpdate } from "./bare-update.js";
import { bulkInsert } from "./bulk-insert.js";
import { naiveMeter, naivePair } from "./naive.js";
import { observe } from "./observe.js";
import { pair } from "./pair.js";
import { pgledger } from "./pgledger.js";
import { simpleUpdate } from "./simple-update.js";
import { submit } from "./submit.js";
import type { OpenWork, Work } from "./work.js";

const WORKS: Readonly<Record<WorkName, OpenWork>> = {
  apply,
  "bare-update": bareUpdate,
  "bulk-insert": bulkInsert,
  "naive-meter": naiveMeter,
  "naive-pair": naivePair,
  observe,
  pair,
  pgledger,
  "simple-update": simpleUpdate,
  submit,
};

/** Opens the work of a job. */
export function openWork(job: Job): Promise<Work> {
  return WORKS[job.work](job);
}
