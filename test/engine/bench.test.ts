import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { engineEnv } from '../support/engine.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('the benchmark runs through on tiny data, finds every restore equal, and writes its table', async () => {
  await using folder = await temporaryFolder();
  const output = join(folder.path, 'table.txt');
  const main = join(import.meta.dirname, '../bench/main.ts');
  await runCommand(process.execPath, [main, 'a', 'prune', 'scan', '--quick', '--built', '--tools', 'restic', '--output', output], {
    env: engineEnv(),
  });
  const written = await readFile(output, 'utf8');
  for (const step of ['first', 'unchanged', 'clustered', 'scattered', 'restore'])
    for (const tool of ['mcads-orchestrate', 'restic']) expect(written).toMatch(new RegExp(`^${step}, ${tool} +[\\d.]+ s `, 'm'));
  expect(written).toMatch(/^planning +[\d.]+ s/m);
  expect(written).toMatch(/^prune --dry-run +[\d.]+ s/m);
});
