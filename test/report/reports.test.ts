import { describe, expect, test } from 'vitest';
import { McadsError } from '../../src/errors.ts';
import { backupClosing, backupJson, backupTable } from '../../src/report/backup-report.ts';
import type { BackupReport } from '../../src/report/backup-report.ts';
import { renderError, renderFindings } from '../../src/report/findings.ts';
import { pruneTable, statsText, verifyText } from '../../src/report/repository-report.ts';
import { listText, showText } from '../../src/report/snapshot-report.ts';
import { verificationText } from '../../src/report/verification-text.ts';
import { MANIFEST, plain, REPORT, WIDTHS } from './fixtures.ts';

process.env['TZ'] = 'Europe/Berlin';
const NOW = new Date('2025-08-04T09:00:00Z');

describe.each(WIDTHS)('%i columns', (width) => {
  test('the table of a backup', () => {
    expect(`\n${backupTable(REPORT, plain(width))}\n`).toMatchSnapshot();
  });

  test('a list with a partial and a classic snapshot', () => {
    const snapshots = [
      {
        name: MANIFEST.name,
        project: 'mcads',
        strategy: 'docker',
        startedAt: MANIFEST.sealed.startedAt,
        completeness: 'partial',
        bytes: 4e9,
        components: [],
        proof: null,
      },
      {
        name: 'mcads_backup_20250803_000000',
        project: 'mcads',
        strategy: 'docker',
        startedAt: '2025-08-03T00:00:00Z',
        completeness: 'complete',
        bytes: 5e9,
        components: [],
        proof: { level: 3, at: '2025-08-03T01:00:00Z' },
      },
    ] as const;
    const classic = [
      {
        file: 'mcads_system_backup_20240101_000000.tar.gz',
        project: 'mcads',
        strategy: 'host',
        startedAt: '2024-01-01T00:00:00Z',
        bytes: 123,
      },
    ] as const;
    expect(`\n${listText(snapshots, classic, NOW, plain(width))}\n`).toMatchSnapshot();
  });

  test('one snapshot', () => {
    expect(`\n${showText(MANIFEST, null, NOW, plain(width))}\n`).toMatchSnapshot();
  });

  test('decisions of a prune', () => {
    expect(`\n${pruneTable(REPORT.pruned, plain(width))}\n`).toMatchSnapshot();
  });
});

test('a backup ends with where it is, what is not covered, and the command that brings it back', () => {
  expect(backupClosing(REPORT, 'mcads-orchestrate', plain(80)).split('\n')).toEqual([
    'Partial (1 component failed): 3.8 GiB in 2m 05s (31.2 MiB/s), 300 MiB new',
    'Pruned 1 snapshot: mcads_backup_20250701_000000',
    "Where it is:  /srv/mcads/it's backups/snapshots/mcads_backup_20250801_142905",
    'Not covered:  tmpfs /run of web (lost at every stop by nature)',
    "Bring back:   mcads-orchestrate restore mcads_backup_20250801_142905 -r '/srv/mcads/it'\\''s backups'",
  ]);
});

test('a backup as JSON holds what the contract names', () => {
  expect(backupJson(REPORT)).toMatchObject({
    snapshot: { name: 'mcads_backup_20250801_142905', completeness: 'partial' },
    components: expect.arrayContaining([
      { id: 'database/db/mcads', outcome: 'captured', consistency: 'dump', bytes: 943_718_400, storedBytes: 314_572_800 },
    ]),
    stats: { bytes: 4_089_446_400, newBytes: 314_572_800, seconds: 125 },
    pruned: ['mcads_backup_20250701_000000'],
  });
});

test('verification.txt tells sizes, contents, system facts, checks and times', () => {
  expect(`\n${verificationText(MANIFEST)}`).toMatchSnapshot();
});

test('verify names what is damaged and who needs it', () => {
  const damaged = [
    { kind: 'chunk', id: 'ab12', problem: 'missing', message: 'not in the repository', affects: ['s1 volume/media'] },
  ] as const;
  expect(verifyText({ snapshots: 2, chunks: 10, bytes: 1e6, damaged }, 'every byte read', plain(80))).toBe(
    'Checked 2 snapshots, 10 chunks, 977 KiB (every byte read): 1 problem\n  missing  chunk ab12: not in the repository\n    needed by s1 volume/media',
  );
});

test('stats', () => {
  const stats = { snapshots: 3, chunks: 9, logicalBytes: 9e9, plainBytes: 4e9, storedBytes: 1e9, ratio: 9, garbageBytes: 0 };
  expect(statsText(stats, '/b', plain(80))).toContain('954 MiB, 9.0 times less');
});

describe('errors and findings', () => {
  test('an expected error says what, where and what to do', () => {
    const error = new McadsError('config', 'unknown setting keep.dayly', { where: '/p/mcads.yaml:3:3', hint: 'did you mean keep.daily?' });
    expect(renderError(error, plain(80), false)).toBe('error  /p/mcads.yaml:3:3: unknown setting keep.dayly\n  → did you mean keep.daily?');
  });

  test('an unexpected error shows its stack and asks for a report', () => {
    const cause = new TypeError('x is undefined');
    const text = renderError(new McadsError('unexpected', cause.message, { cause }), plain(80), false);
    expect(text).toContain('reports.test.ts');
    expect(text).toContain('Please report it');
  });

  test('errors come first, notes only where asked for, control characters never', () => {
    const findings = [
      { severity: 'info', code: 'i', subject: 's', message: 'note' },
      { severity: 'warning', code: 'w', subject: 'a\u001b[2Jb\nc', message: 'warned' },
      { severity: 'error', code: 'e', subject: 'x', message: 'broken', hint: 'mend' },
    ] as const;
    expect(renderFindings(findings, plain(80), false)).toBe('error  x: broken\n  → mend\nwarning  a\\x1b[2Jb\\nc: warned');
    expect(renderFindings(findings, plain(80), true)).toContain('note  s: note');
  });
});

test('a partial backup says what kept it from being complete', () => {
  const stored = REPORT.outcomes.filter((outcome) => outcome.status !== 'failed');
  const error = { severity: 'error', code: 'live', subject: 'volume/redis', message: 'redis runs' } as const;
  const headOf = (report: BackupReport): string | undefined => backupClosing(report, 'mcads-orchestrate', plain(80)).split('\n')[0];
  expect(headOf({ ...REPORT, outcomes: stored, findings: [error] })).toContain('Partial (1 error, see above)');
  expect(headOf({ ...REPORT, outcomes: stored })).toContain('Partial (only what was selected)');
});
