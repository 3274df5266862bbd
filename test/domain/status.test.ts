import { describe, expect, test } from 'vitest';
import { isDown, judgeProtection } from '../../src/domain/status.ts';
import type { SnapshotSummary } from '../../src/domain/snapshot-summary.ts';

const NOW = new Date('2025-08-10T12:00:00Z');
const HOUR = 3_600_000;
const LIMITS = { maxAgeMs: 26 * HOUR, maxProofAgeMs: null };

function snapshot(hoursAgo: number, given: Partial<SnapshotSummary> = {}): SnapshotSummary {
  return {
    name: `p_backup_${hoursAgo}`,
    project: 'p',
    strategy: 'docker',
    startedAt: new Date(NOW.getTime() - hoursAgo * HOUR).toISOString(),
    completeness: 'complete',
    bytes: 100,
    components: [],
    proof: null,
    ...given,
  };
}

describe('overdue', () => {
  test.each([
    ['none', [], true],
    ['one in time', [snapshot(26)], false],
    ['one too old', [snapshot(26.01)], true],
    ['a partial one does not count', [snapshot(1, { completeness: 'partial' }), snapshot(30)], true],
    ["another project's does not count", [snapshot(1, { project: 'other' })], true],
    ['one of the other strategy counts', [snapshot(1, { strategy: 'host' })], false],
    ['a clock that is a little ahead', [snapshot(-0.5)], false],
    ['one that a clock far ahead has dated says nothing', [snapshot(-5)], true],
    ['nor does it hide one in time', [snapshot(-5), snapshot(1)], false],
    ['nor one too old', [snapshot(-5), snapshot(30)], true],
  ])('%s', (_name, all, overdue) => {
    expect(judgeProtection('p', all, [], LIMITS, NOW).overdue).toBe(overdue);
  });
});

describe('unproven', () => {
  const drilled = snapshot(50, { proof: { level: 3, at: new Date(NOW.getTime() - 40 * HOUR).toISOString() } });

  test.each([
    ['nobody asks', [snapshot(1)], null, false],
    ['never drilled', [snapshot(1)], 48 * HOUR, true],
    ['drilled in time, on an older snapshot', [snapshot(1), drilled], 48 * HOUR, false],
    ['drilled too long ago', [snapshot(1), drilled], 39 * HOUR, true],
  ])('%s', (_name, all, maxProofAgeMs, unproven) => {
    expect(judgeProtection('p', all, [], { ...LIMITS, maxProofAgeMs }, NOW).unproven).toBe(unproven);
  });

  test('the last drill is the newest by its own time', () => {
    const earlier = snapshot(2, { proof: { level: 4, at: '2025-08-01T00:00:00Z' } });
    expect(judgeProtection('p', [earlier, drilled], [], LIMITS, NOW).lastDrill).toMatchObject({ snapshot: drilled.name, level: 3 });
  });
});

test('what was left out on purpose is not unprotected', () => {
  const lost = { subject: 'service cache', reason: 'in the container layer' };
  const uncovered = [lost, { subject: 'web:/run', reason: 'tmpfs', harmless: true as const }];
  expect(judgeProtection('p', [snapshot(1)], uncovered, LIMITS, NOW).unprotected).toEqual([lost]);
});

test('the newest five are shown, newest first, and an unusual size of the newest complete one is told', () => {
  const all = [snapshot(1, { bytes: 10 }), ...[2, 3, 4, 5, 6, 7].map((hours) => snapshot(hours))].toReversed();
  const judged = judgeProtection('p', all, [], LIMITS, NOW);
  expect(judged.newest.map(({ name }) => name)).toEqual(['p_backup_1', 'p_backup_2', 'p_backup_3', 'p_backup_4', 'p_backup_5']);
  expect(judged.unusual).toMatchObject({ kind: 'small', snapshot: 'p_backup_1' });
  expect(judged.snapshots).toBe(7);
});

test.each([
  ['running', 'none', 0, false],
  ['running', 'starting', 0, false],
  ['running', 'unhealthy', 0, true],
  ['exited', 'none', 0, false],
  ['exited', 'none', 1, true],
  ['paused', 'none', 0, true],
  ['restarting', 'none', 0, true],
  ['created', 'none', 0, false],
  ['dead', 'none', 0, true],
] as const)('a container that is %s, %s, exit %i: down is %s', (state, health, exitCode, down) => {
  expect(isDown({ service: 'web', container: 'p-web-1', state, health, exitCode })).toBe(down);
});
