import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openRepository } from '../../src/repository/open-repository.ts';
import { makeManifest, NEVER, putArtifact, toComponentId } from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('a manifest of many components is committed whole, its copy among the pages too', async () => {
  await using folder = await temporaryFolder();
  const name = 'shop_backup_20260102_030405';
  const path = join(folder.path, 'repository');
  const ids = Array.from({ length: 500 }, (_, index) => toComponentId(`volume/v${index}`));
  {
    await using repository = await openRepository({ path, mode: 'write', create: true });
    await using writer = await repository.begin(name, 'shop', NEVER);
    const artifact = await putArtifact(writer, Buffer.from('content'), 'tar');
    const components = ids.map((id) => ({ id, artifacts: [artifact] }));
    await writer.commit(makeManifest(repository.id, name, components), 'all well\n');
  }
  await using repository = await openRepository({ path, mode: 'read', create: false });
  expect((await repository.manifest(name)).components.map(({ id }) => id)).toEqual(ids);
  expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
});
