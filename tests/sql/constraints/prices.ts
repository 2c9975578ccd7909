/** Breaches of price_books and prices. Rows are inserted: an update is refused before any CHECK looks at it. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

type Changes = Readonly<Record<string, unknown>>;

const book = (changes: Changes): string => copyOf("price_books", "true", { book: "other", ...changes });
/** One more price of the book: of input where there is one of output. */
const price = (changes: Changes): string => copyOf("prices", "true", { token_class: "input", ...changes });

const BOOKS: readonly Breach[] = [
  unique("price_books_pkey", "a second book of the same name", copyOf("price_books", "true", {})),
  foreignKey("price_books_tenant_fkey", "a book of no tenant", book({ tenant_id: "nobody" })),
  check("price_books_book_short", "a book without a name", book({ book: "" })),
  check("price_books_book_short", "a name of 201 characters", book({ book: "x".repeat(201) })),
  check("price_books_digest_sha256", "a digest of another length", book({ digest: "\\x00" })),
  foreignKey(
    "tenants_price_book_fkey",
    "a current book that is not there",
    "update ledger_private.tenants set price_book = 'nowhere'",
  ),
];

const PRICES: readonly Breach[] = [
  unique("prices_pkey", "a second price of the same", copyOf("prices", "true", {})),
  foreignKey("prices_book_fkey", "a price in no book", price({ book: "nowhere" })),
  check("prices_names_lower", "a provider in capitals", price({ provider: "Acme" })),
  check("prices_names_lower", "a model in capitals", price({ model: "Small" })),
  check("prices_names_short", "a provider without a name", price({ provider: "" })),
  check("prices_names_short", "a model without a name", price({ model: "" })),
  check("prices_names_short", "a model of 201 characters", price({ model: "x".repeat(201) })),
  check("prices_match_known", "a match nobody knows", price({ match: "fuzzy" })),
  check("prices_token_class_known", "a class nobody knows", price({ token_class: "images" })),
  check("prices_above_not_negative", "a tier below nothing", price({ above_input_tokens: -1 })),
  check(
    "prices_valid_for_some_time",
    "a price for no time",
    price({ valid_from: "2026-01-01", valid_to: "2026-01-01" }),
  ),
  check("prices_not_negative", "a price below zero", price({ usd_per_million: -1 })),
  check("prices_not_negative", "a price that is no number", price({ usd_per_million: "NaN" })),
];

const ATTEMPTS = [
  { rule: "prices_immutable", title: "changes a price", sql: "update ledger_private.prices set usd_per_million = 0" },
  { rule: "prices_immutable", title: "deletes prices", sql: "delete from ledger_private.prices" },
  { rule: "prices_no_truncate", title: "empties the prices", sql: "truncate ledger_private.prices" },
  {
    rule: "price_books_immutable",
    title: "changes where a book is from",
    sql: "update ledger_private.price_books set source = 'elsewhere'",
  },
  {
    rule: "price_books_immutable",
    title: "deletes a book",
    sql: "delete from ledger_private.price_books",
    alsoBreaks: ["prices_book_fkey"],
  },
  {
    rule: "price_books_no_truncate",
    title: "empties the books",
    sql: "truncate ledger_private.price_books, ledger_private.prices, ledger_private.tenants cascade",
    alsoBreaks: ["prices_no_truncate", "journal_no_truncate", "usage_lines_no_truncate", "archives_no_truncate"],
  },
];

const WHO = [{ name: "the superuser" }, { name: "the owner", as: "ledger_owner" }];

const CHANGES: readonly Breach[] = WHO.flatMap(({ name, ...as }) =>
  ATTEMPTS.map((attempt) => ({
    ...attempt,
    ...as,
    title: `${name} ${attempt.title}`,
    sqlstate: "23001",
    constraint: "prices_immutable",
  })),
);

export const PRICE_BREACHES: readonly Breach[] = [...BOOKS, ...PRICES, ...CHANGES];
