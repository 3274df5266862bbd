import { expect, test } from 'vitest';
import type { StoredOutcome } from '../../src/domain/outcome.ts';
import type { SnapshotRepository } from '../../src/domain/ports.ts';
import { assembleManifest } from '../../src/pipeline/assemble-manifest.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { emptyPlan } from '../cli/plan-fixture.ts';
import { NEVER, noise, putArtifact, toComponentId } from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PORTS = { tool: { name: 'mcads-orchestrate', version: '0.0.0' }, machine: { name: 'test', platform: 'linux', node: '24.0.0' } };

/** One backup of one volume, on that day of January. */
async function backUpVolume(repository: SnapshotRepository, day: number, volume: string, bytes: Buffer) {
  const at = new Date(Date.UTC(2026, 0, day));
  const name = `shop_backup_2026010${day}_000000`;
  await using writer = await repository.begin(name, 'shop', NEVER);
  const id = toComponentId(`volume/${volume}`);
  const artifact = await putArtifact(writer, bytes);
  const outcome: StoredOutcome = {
    status: 'captured',
    id,
    component: { id, artifacts: [artifact] },
    details: {
      how: '',
      because: 'detected',
      consistency: 'live',
      outcome: 'captured',
      bytes: bytes.length,
      storedBytes: 0,
      startedAt: at.toISOString(),
      finishedAt: at.toISOString(),
      facts: {},
      findings: [],
    },
  };
  const manifest = assembleManifest({
    plan: emptyPlan(),
    outcomes: [outcome],
    startedAt: at,
    finishedAt: at,
    repository,
    writer,
    ports: PORTS,
    undone: [],
  });
  await writer.commit(manifest, '');
  return manifest;
}

test('a manifest counts the chunks that were new and names the snapshots that its components were compared with', async () => {
  await using folder = await temporaryFolder();
  await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
  const bytes = noise(1, 5_000_000);
  const first = await backUpVolume(repository, 1, 'media', bytes);
  expect(first.sealed.stats.newChunks).toBe((await repository.stats(NEVER)).chunks);
  expect(first.sealed.stats.newChunks).toBeGreaterThan(1);
  expect(first.sealed.parents).toEqual([]);

  const unchanged = await backUpVolume(repository, 2, 'media', bytes);
  expect(unchanged.sealed).toMatchObject({ stats: { newChunks: 0 }, parents: [first.name] });

  const appended = await backUpVolume(repository, 3, 'media', Buffer.concat([bytes, noise(2, 1000)]));
  expect(appended.sealed).toMatchObject({ stats: { newChunks: 1 }, parents: [unchanged.name] });

  const other = await backUpVolume(repository, 4, 'static', bytes);
  expect(other.sealed).toMatchObject({ stats: { newChunks: 0 }, parents: [] });
});
