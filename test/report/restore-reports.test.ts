import { describe, expect, test } from 'vitest';
import { McadsError } from '../../src/errors.ts';
import { displayWidth } from '../../src/report/escape.ts';
import { liveFrame } from '../../src/report/live-frame.ts';
import { advance, startProgress } from '../../src/report/progress-state.ts';
import { restorePlanJson, restorePlanText } from '../../src/report/restore-plan.ts';
import { restoreClosing, restoreJson, restoreTables } from '../../src/report/restore-report.ts';
import { restoreVerificationText } from '../../src/report/restore-verification.ts';
import type { RestoreRecord } from '../../src/report/restore-verification.ts';
import { ageOf, field, spanOf } from '../../src/report/restore-words.ts';
import { keptText, rollbackJson, rollbackText } from '../../src/report/rollback-report.ts';
import { MEDIA, MODELS } from './fake-events.ts';
import { plain, WIDTHS } from './fixtures.ts';
import { BESIDE, fakeRestore, KEPT, PLAN, RESULT } from './restore-fixtures.ts';

process.env['TZ'] = 'Europe/Berlin';
const NOW = new Date('2025-08-04T16:00:00Z');
const FACTS = { proof: null, keepOldMs: 7 * 86_400_000, now: NOW };
const CLOSING = { program: 'mcads-orchestrate', verification: '/srv/mcads/logs/restore_20250804_090000_verification.txt', now: NOW };

// eslint-disable-next-line no-control-regex -- what must not reach a terminal
const HOSTILE = /[\u0000-\u0009\u000b-\u001f\u202e]/;

describe.each(WIDTHS)('%i columns', (width) => {
  test('the plan that people agree to', () => {
    expect(`\n${restorePlanText(PLAN, FACTS, plain(width))}\n`).toMatchSnapshot();
  });

  test('the report of a restore', () => {
    expect(`\n${restoreTables(RESULT, plain(width))}\n\n${restoreClosing(RESULT, CLOSING, plain(width))}\n`).toMatchSnapshot();
  });

  test('no line that can be broken is wider than the terminal', () => {
    const style = plain(width);
    const result = [restoreTables(RESULT, style), restoreClosing(RESULT, CLOSING, style)];
    const texts = [...result, keptText(KEPT, NOW, style), restorePlanText(PLAN, FACTS, style)];
    for (const line of texts.join('\n').split('\n')) {
      const isOneWord = !line.trim().includes(' ');
      if (!isOneWord) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
    }
  });

  test('no frame of a restore is wider, and none speaks of new bytes', () => {
    let state = startProgress(0, 'restore');
    for (const { at, event } of fakeRestore()) {
      state = advance(state, event, at);
      const frame = liveFrame(state, at, plain(width), 24);
      for (const line of frame) expect(displayWidth(line)).toBeLessThan(width);
      expect(frame.join('\n')).not.toContain(' new');
    }
    expect([...state.components.values()].map(({ status }) => status)).toEqual(['restored', 'restored', 'restored']);
    expect(state.services.size).toBe(0);
  });
});

test('the plan says how old, how proven, what stops, what is kept, what cannot be swapped and how to go back', () => {
  const text = restorePlanText(PLAN, FACTS, plain(10_000));
  expect(text).toContain('2025-08-01 16:29:05 +02:00, 3 days old');
  expect(text).toContain('never drilled');
  expect(text).toMatch(/^Stops +web, while the data is swapped$/m);
  expect(text).toMatch(/^Configuration +differs and is kept \(--with-config replaces it\): \.env, nginx\/\\u202ecod\.conf$/m);
  expect(text).toMatch(/^Configuration +is missing and is created: scripts\/a\.sh$/m);
  expect(text).toMatch(/^Not swapped +bind\/web\/.*models: overwritten in place, which no rollback brings back$/m);
  expect(text).toMatch(/^Saved first +bind\/web\/.*models, as a snapshot of their own$/m);
  expect(text).toMatch(/^Way back +what is replaced is kept for 7 days: mcads-orchestrate rollback puts it back$/m);
  const proof = { level: 3, at: '2025-08-02T16:00:00Z' };
  const other = restorePlanText(PLAN, { proof, keepOldMs: 0, now: NOW }, plain(10_000));
  expect(other).toContain('drilled at level 3, 2 days ago');
  expect(other).toContain('dropped once the restore is proven (--keep-old 0)');
});

test('a plan beside the original says what is made, what is dropped and which images are missing', () => {
  const text = restorePlanText(BESIDE, FACTS, plain(10_000));
  expect(text).toContain('mcads-copy, a new project beside the original');
  expect(text).toMatch(/^Created +1 network, 1 volume, 2 containers$/m);
  expect(text).toMatch(/^Stops +no service$/m);
  expect(text).toMatch(/^Dropped +published port 8080 of web is dropped; external volume \\x1b\[2Jshared becomes a copy of its own$/m);
  expect(text).toMatch(/^Image missing +mcads\/web of web: docker compose build web$/m);
  expect(text).toMatch(/^Way back +nothing is swapped out/m);
});

test('names from elsewhere never reach the terminal as they are', () => {
  const texts = [
    restorePlanText(PLAN, FACTS, plain(200)),
    restorePlanText(BESIDE, FACTS, plain(200)),
    restoreTables(RESULT, plain(200)),
    restoreClosing(RESULT, CLOSING, plain(200)),
    keptText(KEPT, NOW, plain(200)),
    restoreVerificationText(record({ result: RESULT })),
  ];
  for (const text of texts) expect(text).not.toMatch(HOSTILE);
});

test('the plan as JSON holds what a script decides by', () => {
  expect(restorePlanJson(PLAN, FACTS)).toMatchObject({
    snapshot: { name: PLAN.snapshot, completeness: 'complete', proof: null },
    project: 'mcads',
    fresh: false,
    components: expect.arrayContaining([
      { id: MODELS, kind: 'tree', action: 'overwrite', how: 'overwrites what is in volume models', bytes: 734_003_200, swaps: false },
    ]),
    services: expect.arrayContaining([{ name: 'db', container: 'mcads-db-1', stops: false, ran: true }]),
    safety: [MODELS],
    keepOldSeconds: 604_800,
  });
  expect(restorePlanJson(BESIDE, FACTS)).toMatchObject({
    creates: { containers: ['mcads-copy-web-1', 'mcads-copy-job-1'], networks: ['mcads-copy_default'], volumes: ['mcads-copy_media'] },
    missingImages: [{ image: 'mcads/web', services: ['web'], command: 'docker compose build web' }],
  });
});

test('the result as JSON holds what the contract names', () => {
  expect(restoreJson(RESULT, '/l')).toMatchObject({
    components: expect.arrayContaining([expect.objectContaining({ id: MEDIA, outcome: 'restored' })]),
    services: expect.arrayContaining([{ name: 'mcads-web-1', state: 'running', health: 'none', downSeconds: 4.2 }]),
    databases: [{ name: 'mcads', rowsEqual: true, tables: 12, rows: 1_234_567 }],
    rolledBack: false,
    keptUntil: RESULT.keptUntil,
    safetySnapshot: RESULT.safetySnapshot,
    verification: '/l',
    stats: { bytes: 4640 * 1024 * 1024, seconds: 120 },
  });
});

test('a restore ends with where it is, what is not back, and how to go back', () => {
  expect(restoreClosing(RESULT, CLOSING, plain(10_000)).split('\n')).toEqual([
    'Restored: 4.5 GiB in 2m 00s, no service down for longer than 4.2s',
    'Saved first:    mcads_backup_20250804_090000',
    'Proof:          /srv/mcads/logs/restore_20250804_090000_verification.txt',
    'Where it is:    mcads on xray\\x1b[31m at unix:///var/run/docker.sock, in /srv/mcads, as of 2025-08-01 16:29:05 +02:00 (3 days old)',
    'Not back:       configuration that differs and was kept: .env, nginx/\\u202ecod.conf',
    'Go back:        mcads-orchestrate rollback -p mcads (until 2025-08-11 11:02:00 +02:00)',
  ]);
});

test('what did not start on a fresh engine comes with its command, and a missing image with its own', () => {
  const finding = { severity: 'error', code: 'image-missing', subject: 'web', message: 'not here' } as const;
  const beside = { ...RESULT, plan: BESIDE, services: [], findings: [finding], keptUntil: null, safetySnapshot: null };
  const text = restoreClosing(beside, CLOSING, plain(10_000));
  expect(text).toContain('Restored, not all of it:');
  expect(text).toMatch(/^Not back: +web \(no image mcads\/web: docker compose build web\)$/m);
  expect(text).toMatch(/^Go back: +nothing of it was there before$/m);
  expect(text).toMatch(/^Start: +docker start mcads-copy-web-1, once its images are there$/m);
  const fresh = { ...beside, plan: { ...BESIDE, beside: false }, findings: [] };
  expect(restoreClosing(fresh, CLOSING, plain(10_000))).toMatch(/^Start: +cd '\/srv\/copy of mcads' && docker compose up -d$/m);
  const started = { ...fresh, services: [{ name: 'mcads-copy-web-1', state: 'running', health: 'none', downSeconds: null }] };
  expect(restoreClosing(started, CLOSING, plain(10_000))).not.toContain('Start:');
});

function record(given: Partial<RestoreRecord>): RestoreRecord {
  return {
    plan: PLAN,
    result: null,
    error: null,
    repository: '/mnt/backups',
    startedAt: new Date('2025-08-04T09:00:00Z'),
    finishedAt: new Date('2025-08-04T09:02:00Z'),
    facts: {
      tool: 'mcads-orchestrate 9.9.9',
      host: 'xray\u001b[31m',
      platform: 'linux x64, kernel 6.1',
      node: '24.0.0',
      processors: 2,
      memory: { total: 24 * 1024 ** 3, free: 12 * 1024 ** 3 },
      disks: [{ path: '/srv/mcads', total: 100 * 1024 ** 3, free: 40 * 1024 ** 3 }],
    },
    ...given,
  };
}

describe('the file with the proof', () => {
  test('of a restore that went well', () => {
    expect(`\n${restoreVerificationText(record({ result: RESULT }))}`).toMatchSnapshot();
  });

  test.each([
    [true, 'FAILED; everything was brought back to what it was before'],
    [false, 'FAILED; NOT everything could be brought back'],
    [null, 'FAILED before anything was changed'],
  ])('of one that failed, rolled back: %s', (rolledBack, outcome) => {
    const context = rolledBack === null ? {} : { rolledBack };
    const error = new McadsError('proof-failed', 'volume/media: a has\nanother content', { hint: 'look at the disk', context });
    const text = restoreVerificationText(record({ error }));
    expect(text).toMatch(new RegExp(`^Outcome +${outcome}`, 'm'));
    expect(text).toContain('  proof-failed: volume/media: a has\n    another content\n  what to do: look at the disk');
    expect(text).toContain('What was to be restored (6 components)');
    expect(text).not.toContain('Databases intact');
  });
});

describe('a rollback', () => {
  test('shows what it goes back to', () => {
    expect(keptText(KEPT, NOW, plain(10_000)).split('\n')).toEqual([
      'Project         mcads',
      'Back to         what was there before mcads_backup_20250801_142905 was restored',
      'Restored        2025-08-04 11:00:00 +02:00, 7 hours ago',
      'Kept until      2025-08-11 11:02:00 +02:00',
      'Puts back       database/db/mcads, volume/%C3%B6dd%20%22n%C3%A4me%22%0A%E6%97%A5%E6%9C%AC%E8%AA%9E',
      'Configuration   1 file: /srv/mcads/.env',
      'Stops           mcads-web-1, meanwhile',
      'Lost by it      what was written since the restore',
    ]);
  });

  test('reports what it did', () => {
    const report = { kept: KEPT, report: { undone: ['put back volume/media'], failed: [] }, services: RESULT.services };
    expect(rollbackText(report, plain(80))).toContain('Back: mcads is what it was before mcads_backup_20250801_142905 was restored');
    expect(rollbackJson(report)).toMatchObject({
      project: 'mcads',
      snapshot: 'mcads_backup_20250801_142905',
      undone: ['put back volume/media'],
      rolledBack: true,
      services: [{ name: 'mcads-db-1' }, { name: 'mcads-web-1' }],
    });
  });
});

describe('words', () => {
  test.each([
    ['2025-08-04T15:59:50Z', 'just made'],
    ['2025-08-04T14:00:00Z', '2 hours old'],
    ['2025-08-03T15:00:00Z', '1 day old'],
    ['2024-08-01T15:00:00Z', '1 year old'],
    ['2026-08-01T15:00:00Z', 'just made'], // a clock that went back
  ])('a snapshot of %s is %s', (at, words) => {
    expect(ageOf(new Date(at), NOW)).toBe(words);
  });

  test.each([
    [7 * 86_400_000, '7 days'],
    [36 * 3_600_000, '36 hours'],
    [90_000, '90 seconds'],
    [60_000, '1 minute'],
  ])('%i ms are %s', (milliseconds, words) => {
    expect(spanOf(milliseconds)).toBe(words);
  });

  test('long values go on below their beginning', () => {
    expect(field('Stops', 'one two three four five six seven eight', plain(52))).toBe(
      ['Stops           one two three four five six seven', '                eight'].join('\n'),
    );
    expect(field('Stops', 'one two', plain(40))).toBe('Stops\n  one two');
  });
});
