import { statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { ExitCode } from './cli/exit-codes.ts';

/** Starts the command line in this process: compile cache, signals, exit code. */
export async function launch(readVersion: () => Promise<string>): Promise<void> {
  cacheCompiledCode();
  const [{ run }, { createServices }, version] = await Promise.all([import('./cli/run.ts'), import('./wiring.ts'), readVersion()]);
  process.exitCode = await run(process.argv.slice(2), {
    version,
    environment: process.env,
    workingDirectory: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    services: createServices(process.env, version),
    onSignal: (listener) => {
      const onInterrupt = (): void => listener('SIGINT');
      const onTerminate = (): void => listener('SIGTERM');
      process.on('SIGINT', onInterrupt);
      process.on('SIGTERM', onTerminate);
      return () => {
        process.off('SIGINT', onInterrupt);
        process.off('SIGTERM', onTerminate);
      };
    },
    exitNow: (code: ExitCode) => process.exit(code),
  });
}

/** Only below a home folder of our own: compiled code from a folder that others can write would be theirs. */
function cacheCompiledCode(): void {
  const home = process.env['HOME'];
  if (home === undefined || home === '' || process.getuid === undefined) return;
  const owner = statSync(home, { throwIfNoEntry: false })?.uid;
  if (owner === process.getuid()) enableCompileCache(join(process.env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'mcads-orchestrate'));
}
