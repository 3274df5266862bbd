// Prints `passed failed skipped` from a JSON report of vitest; a file that could not even be loaded counts as one failed test.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const unloadable = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
);
const skipped = report.numPendingTests + report.numTodoTests;
process.stdout.write(`${report.numPassedTests} ${report.numFailedTests + unloadable.length} ${skipped}\n`);
