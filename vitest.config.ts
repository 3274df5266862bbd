import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { EngineSummaryReporter } from './test/support/engine-summary-reporter.ts';

const skipsEngine = process.env['MCADS_TEST_ENGINE'] === 'skip';
const reportFile = process.env['MCADS_TEST_REPORT'];

export default defineConfig({
  test: {
    // The engine tests share one engine, its disk and often two cores: more at a time only makes each slower (three at a time took no less in all).
    maxWorkers: 2,
    // The program runs from its sources, often with a home of the test's own: else each run would compile them anew.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/mcads-orchestrate-test', import.meta.url)) },
    globalSetup: ['test/support/host-tools.ts'],
    teardownTimeout: 120_000,
    reporters: [
      'default',
      new EngineSummaryReporter(),
      ...(reportFile === undefined ? [] : [['json', { outputFile: reportFile }] as ['json', object]]),
    ],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/engine/**', 'test/long/**'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      ...(skipsEngine
        ? []
        : [
            {
              test: {
                name: 'engine',
                include: ['test/engine/**/*.test.ts'],
                globalSetup: ['test/support/global-setup.ts'],
                // Limits against a hang, not promises about speed.
                testTimeout: 600_000,
                hookTimeout: 600_000,
              },
            },
            {
              test: {
                name: 'long',
                include: ['test/long/**/*.test.ts'],
                globalSetup: ['test/support/global-setup.ts'],
                testTimeout: 900_000,
                hookTimeout: 900_000,
              },
            },
          ]),
    ],
  },
});
