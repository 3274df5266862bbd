import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { snapshotName } from '../../src/domain/snapshot-name.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { backUp, noise } from '../support/repository-fixture.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('whoever asks for the newest snapshot is told where that one cannot be read', async () => {
  await using folder = await temporaryFolder();
  const names = [2, 1].map((hours) => snapshotName('shop', 'docker', new Date(Date.now() - hours * 3_600_000)).full);
  {
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true, lockTimeoutMs: 1000 });
    for (const [index, name] of names.entries()) await backUp(repository, name, { 'volume/media': noise(index, 1000) });
  }
  const [older = '', newest = ''] = names;
  for (const file of await readdir(folder.path, { recursive: true })) {
    const path = join(folder.path, file);
    if (file.includes(newest) && /manifest/.test(file) && (await stat(path)).isFile()) await writeFile(path, '{');
  }
  const shown = await runCli(['show', 'latest', '-r', folder.path, '-p', 'shop'], { cwd: folder.path });
  expect(shown.code, shown.stderr).toBe(0);
  expect(shown.stdout).toContain(older);
  expect(shown.stderr).toContain(`A newer snapshot cannot be read, its manifest is damaged: ${newest}`);
});
