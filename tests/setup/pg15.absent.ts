import { it } from "vitest";

it.skip("the suites of the database on PostgreSQL 15, which is not installed", () => {});
