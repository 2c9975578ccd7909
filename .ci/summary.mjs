/** Prints the closing line of a test run from the JSON report of vitest; fails when no test ran. */
import { readFileSync } from "node:fs";

const EMPTY = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, success: false };

/** A run that failed before its first test leaves no report. */
function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return EMPTY;
  }
}

const report = read(process.argv[2]);
const passed = report.numPassedTests;
// A file that cannot be loaded, or a hook that fails, fails the run without a failed test.
const failed = Math.max(report.numFailedTests, report.success ? 0 : 1);
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
