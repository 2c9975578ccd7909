import { it } from "vitest";

it.skip("PostgreSQL 15 is not installed: the suites of the database ran on the other project's server only", () => {});
