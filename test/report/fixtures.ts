import type { Manifest } from '../../src/domain/manifest.ts';
import { createStyle } from '../../src/report/style.ts';
import type { Style } from '../../src/report/style.ts';
import type { BackupReport } from '../../src/report/backup-report.ts';
import { CONFIG, DATABASE, MEDIA, MODELS, ODD, stored } from './fake-events.ts';

export const WIDTHS = [40, 80, 200] as const;

export function plain(width: number): Style {
  return createStyle(false, width);
}

const MIB = 1024 * 1024;

export const MANIFEST: Manifest = {
  format: 1,
  features: { read: [], write: [] },
  name: 'mcads_backup_20250801_142905',
  repository: '0f0e',
  components: [DATABASE, MEDIA].map((id) => ({
    id,
    artifacts: [
      { name: 'data', format: id === DATABASE ? 'pgdump' : 'tar', pages: [], bytes: 900 * MIB, segments: 12, digest: 'ab'.repeat(32) },
    ],
  })),
  sealed: {
    project: 'mcads',
    strategy: 'docker',
    completeness: 'partial',
    startedAt: '2025-08-01T14:29:05.000Z',
    finishedAt: '2025-08-01T14:31:10.000Z',
    tool: { name: 'mcads-orchestrate', version: '0.1.0' },
    host: { name: 'xray\u001b[31m', platform: 'linux x64', node: '24.0.0' },
    engine: { version: '20.10.24', apiVersion: '1.41' },
    workingDirectory: '/srv/mcads',
    environment: {},
    components: {
      [DATABASE]: {
        ...stored(DATABASE, 900 * MIB, 300 * MIB, 'dump').details,
        how: 'pg_dump through exec in mcads-db-1',
        facts: { serverVersion: '15.7', tables: { 'public.cases': 12 } },
      },
      [MEDIA]: { ...stored(MEDIA, 3000 * MIB, 0, 'paused', 'reused').details, how: 'tar through a helper, by pipe' },
    },
    failed: [{ id: MODELS, status: 'failed', reason: 'tar: models/a.bin: Permission denied' }],
    uncovered: [{ subject: 'tmpfs /run of web', reason: 'lost at every stop by nature' }],
    findings: [
      { severity: 'error', code: 'unreadable', subject: MODELS, message: 'models/a.bin: Permission denied', hint: 'run with sudo' },
    ],
    stats: { bytes: 3900 * MIB, newBytes: 300 * MIB, seconds: 125, newChunks: 310 },
    parents: [],
  },
};

export const REPORT: BackupReport = {
  manifest: MANIFEST,
  outcomes: [
    stored(CONFIG, 20_480, 6_000, 'live'),
    stored(DATABASE, 900 * MIB, 300 * MIB, 'dump'),
    stored(MEDIA, 3000 * MIB, 0, 'paused', 'reused'),
    { status: 'failed', id: MODELS, reason: 'tar: models/a.bin: Permission denied', findings: [] },
    { status: 'skipped', id: ODD, reason: 'not selected' },
  ],
  findings: [],
  uncovered: MANIFEST.sealed.uncovered,
  pruned: [
    { name: 'mcads_backup_20250701_000000', kept: false, reason: 'not kept by keep-last 10' },
    { name: 'mcads_backup_20250731_000000', kept: true, reason: 'last' },
  ],
  repository: "/srv/mcads/it's backups",
  seconds: 125,
};
