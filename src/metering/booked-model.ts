/**
 * The model that a call is booked under. A provider often answers under another name than it was asked by (`gpt-5-mini-2025-08-07`): that
 * name tells most, and is kept unless the tenant's prices know only the one that was asked for.
 */
import type { BudgetPool } from "../ledger/budget-pool.js";
import { keptName } from "./kept.js";
import type { CallAsked } from "./metered-call.js";
import { within } from "./patience.js";

/** For the choice of a name nobody waits longer: the booking itself has the patience. */
const LOOKUP_MS = 2_000;

/** A model, and under which name it answered where that is another. */
export interface BookedModel {
  readonly model: string | undefined;
  readonly detail?: { readonly answered_as: string };
  /** Whether the book that is in use now has a price of it, where that was looked up. */
  readonly priced?: boolean;
}

/** Which of both names has a price, by the prices of now; the one asked for where that cannot be told in time. */
export async function bookedModel(
  pool: BudgetPool,
  { provider, model }: Pick<CallAsked, "provider" | "model">,
  answered: string | undefined,
): Promise<BookedModel> {
  const asked = keptName(model);
  const told = keptName(answered) ?? asked;
  if (told === undefined) return { model: told };
  const other =
    asked === undefined || asked === told ? { model: told } : { model: asked, detail: { answered_as: told } };
  const choice = async (): Promise<BookedModel> => {
    if (await isPriced(pool, provider, told)) return { model: told, priced: true };
    if (other.model !== told && (await isPriced(pool, provider, other.model))) return { ...other, priced: true };
    return { model: told, priced: false };
  };
  return (await within(LOOKUP_MS, choice()).catch(() => undefined)) ?? other;
}

async function isPriced(pool: BudgetPool, provider: string, model: string): Promise<boolean> {
  return (await pool.estimate({ provider, model, input_tokens: 1, output_tokens: 1 })) !== null;
}
