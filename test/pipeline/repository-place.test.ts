import { describe, expect, test } from 'vitest';
import { componentId } from '../../src/domain/component.ts';
import type { BackupPlan, PlannedComponent } from '../../src/domain/plan.ts';
import type { HostFiles } from '../../src/domain/ports.ts';
import { rotatingDisks } from '../../src/pipeline/data-paths.ts';
import { placeFindings } from '../../src/pipeline/repository-place.ts';
import { NO_SETTINGS, project } from '../support/project-builder.ts';

const DEVICES: Record<string, string> = {
  '/srv/shop': 'disk1',
  '/srv/shop/media': 'disk1',
  '/mnt/backups': 'disk2',
  '/': 'disk1',
  '/old/repository.json': 'disk1',
};

const HOST: HostFiles = {
  readFile: async () => null,
  glob: async () => [],
  rotatingDisk: async (path) => (path.startsWith('/srv/') ? 'sda' : null),
  openForWriting: async () => [],
  repositoriesIn: async () => [],
  namesIn: async () => [],
  withAccessList: async () => new Set(),
  identify: async (path) => {
    const device = DEVICES[path];
    return device === undefined ? null : { device, inode: path, type: 'directory', realPath: path };
  },
};

function planOf(): BackupPlan {
  const media: PlannedComponent = {
    id: componentId('bind', 'web', '/media'),
    method: { kind: 'tree', mount: { type: 'bind', hostPath: '/srv/shop/media' }, exclude: [] },
    how: '',
    because: 'detected',
    bytes: null,
    consistency: 'live',
    users: [],
    quiesce: 'none',
    findings: [],
    settings: NO_SETTINGS,
  };
  return {
    project: project([]),
    groups: [{ quiesce: 'none', containers: [], components: [media] }],
    left: [],
    uncovered: [],
    findings: [],
  };
}

describe('where a new repository is put', () => {
  test.each([
    ['beside the data', '/srv/shop/backups', ['repository-on-same-disk']],
    ['on another disk, in a folder that does not exist yet', '/mnt/backups/shop/deep', []],
    ['one that exists is not spoken of again', '/old', []],
  ])('%s', async (_, repository, codes) => {
    expect((await placeFindings(repository, planOf(), HOST)).map((finding) => finding.code)).toEqual(codes);
  });
});

test('a component’s rotating disk is known where its files are on this machine', async () => {
  expect([...(await rotatingDisks(planOf(), HOST))]).toEqual([['bind/web/media', 'sda']]);
  const elsewhere = planOf();
  const engineInfo = { ...elsewhere.project.engineInfo, sharesFilesystem: false };
  expect((await rotatingDisks({ ...elsewhere, project: { ...elsewhere.project, engineInfo } as BackupPlan['project'] }, HOST)).size).toBe(
    0,
  );
});
