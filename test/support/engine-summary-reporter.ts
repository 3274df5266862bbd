import type { Reporter, TestModule } from 'vitest/node';

/** Ends every run with which engine it used and how many tests ran against it. */
export class EngineSummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    process.stdout.write(`\n${summary(modules)}\n`);
  }
}

function summary(modules: readonly TestModule[]): string {
  if (process.env['MCADS_TEST_ENGINE'] === 'skip') return 'Engine tests: left out, as MCADS_TEST_ENGINE=skip asks';
  const engineModules = modules.filter((module) => module.project.name === 'engine');
  const engine = engineModules[0]?.project.getProvidedContext().engine;
  if (engine === undefined) return 'Engine tests: none in this run';
  const ran = engineModules.flatMap((module) => [...module.children.allTests()]).filter((test) => test.result().state !== 'skipped');
  return `Engine tests: ${ran.length} ran on the ${engine.description}`;
}
