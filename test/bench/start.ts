import { join } from 'node:path';
import { measure, median } from './measure.ts';
import { ratio, table } from './table.ts';

export const BUILT = join(import.meta.dirname, '../../dist/main.js');

/** What `--version` costs beside an empty Node.js, in turn. */
export async function benchStart(say: (line: string) => void, rounds: number): Promise<void> {
  const empty: number[] = [];
  const version: number[] = [];
  await measure(process.execPath, [BUILT, '--version']);
  for (let round = 0; round < rounds; round += 1) {
    empty.push((await measure(process.execPath, ['-e', '0'])).seconds);
    version.push((await measure(process.execPath, [BUILT, '--version'])).seconds);
  }
  const ms = (value: number): string => `${(value * 1000).toFixed(0)} ms`;
  say(
    `\nstart, median of ${rounds}\n${table([
      ['', 'time', 'ratio'],
      ['node -e 0', ms(median(empty)), ratio(1)],
      ['--version', ms(median(version)), ratio(median(version) / median(empty))],
    ])}`,
  );
}
