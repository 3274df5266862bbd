import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyClassicRetention,
  applyRetention,
  describePolicy,
  parseDurationMs,
  protectNewestCaptures,
  type RetentionPolicy,
} from '../../src/domain/retention.ts';
import { snapshotName } from '../../src/domain/snapshot-name.ts';
import type { SnapshotSummary } from '../../src/domain/snapshot-summary.ts';

const NOW = new Date('2026-06-30T12:00:00Z');

function summary(at: string, more: Partial<SnapshotSummary> = {}): SnapshotSummary {
  const date = new Date(at);
  const project = more.project ?? 'shop';
  const strategy = more.strategy ?? 'docker';
  return {
    name: snapshotName(project, strategy, date).full,
    project,
    strategy,
    startedAt: date.toISOString(),
    completeness: 'complete',
    bytes: 1,
    components: ['config'],
    proof: null,
    ...more,
  };
}

function kept(snapshots: readonly SnapshotSummary[], policy: RetentionPolicy): readonly string[] {
  const names = new Set(applyRetention(snapshots, policy, NOW).flatMap((decision) => (decision.kept ? [decision.name] : [])));
  return snapshots.filter(({ name }) => names.has(name)).map(({ startedAt }) => startedAt.slice(0, 16));
}

describe('which snapshots are kept', () => {
  const hours = Array.from({ length: 100 }, (_, i) => summary(new Date(NOW.getTime() - (i + 1) * 6 * 3_600_000).toISOString()));

  test('the newest by keep-last, with the reason for each', () => {
    const decisions = applyRetention(hours, { last: 3 }, NOW);
    expect(decisions.filter((decision) => decision.kept).map(({ name }) => name)).toEqual(hours.slice(0, 3).map(({ name }) => name));
    expect(decisions[0]).toEqual({ name: hours[0]?.name, kept: true, reason: 'last' });
    expect(decisions[3]).toEqual({ name: hours[3]?.name, kept: false, reason: 'not kept by keep-last 3' });
  });

  test('the newest of each day, week, month and year', () => {
    expect(kept(hours, { daily: 3 })).toEqual(['2026-06-30T06:00', '2026-06-29T18:00', '2026-06-28T18:00']);
    // 2026-06-29 is a Monday.
    expect(kept(hours, { weekly: 2 })).toEqual(['2026-06-30T06:00', '2026-06-28T18:00']);
    expect(kept(hours, { monthly: 5 })).toEqual(['2026-06-30T06:00']);
    expect(
      kept([summary('2024-12-31T23:59:59Z'), summary('2025-01-01T00:00:00Z'), summary('2025-12-31T23:59:59Z')], { yearly: 5 }),
    ).toEqual(['2024-12-31T23:59', '2025-12-31T23:59']);
    expect(
      kept([summary('2026-06-01T10:01:00Z'), summary('2026-06-01T10:59:00Z'), summary('2026-06-01T11:00:00Z')], { hourly: 2 }),
    ).toEqual(['2026-06-01T10:59', '2026-06-01T11:00']);
  });

  test('what several rules keep names them all', () => {
    expect(applyRetention(hours.slice(0, 1), { last: 1, daily: 1, withinMs: 1 }, NOW)[0]?.reason).toBe('last, daily, within');
  });

  test('everything within a time counted back from the newest', () => {
    const old = [summary('2020-01-01T00:00:00Z'), summary('2020-01-02T00:00:00Z'), summary('2020-01-05T00:00:00Z')];
    expect(kept(old, { withinMs: 4 * 86_400_000 })).toEqual(['2020-01-02T00:00', '2020-01-05T00:00']);
  });

  test('all of a kind with -1, and everything without a rule', () => {
    expect(kept(hours, { last: -1 })).toHaveLength(100);
    expect(kept(hours, {})).toHaveLength(100);
    expect(kept([summary('2026-01-01T00:00:00Z', { completeness: 'partial' })], {})).toHaveLength(1);
  });

  test('partial ones are never counted and go once enough complete ones are newer', () => {
    const partial = summary('2026-06-01T00:00:00Z', { completeness: 'partial' });
    const complete = ['2026-06-02', '2026-06-03', '2026-06-04'].map((day) => summary(`${day}T00:00:00Z`));
    expect(kept([partial, ...complete.slice(0, 1)], { last: 2 })).toHaveLength(2);
    expect(kept([partial, ...complete], { last: 2 })).toEqual(['2026-06-03T00:00', '2026-06-04T00:00']);
    const newestIsPartial = [...complete, summary('2026-06-05T00:00:00Z', { completeness: 'partial' })];
    expect(kept(newestIsPartial, { last: 2 })).toEqual(['2026-06-03T00:00', '2026-06-04T00:00', '2026-06-05T00:00']);
  });

  test('ones dated in the future stay and push no other out', () => {
    const future = summary('2031-01-01T00:00:00Z');
    expect(applyRetention([future, ...hours.slice(0, 3)], { last: 1 }, NOW).map(({ kept: isKept, reason }) => [isKept, reason])).toEqual([
      [true, 'dated in the future'],
      [true, 'last'],
      [false, 'not kept by keep-last 1'],
      [false, 'not kept by keep-last 1'],
    ]);
  });

  test('each project and strategy counts for itself', () => {
    const mixed = [
      summary('2026-06-01T00:00:00Z'),
      summary('2026-05-01T00:00:00Z', { strategy: 'host' }),
      summary('2026-04-01T00:00:00Z', { project: 'blog' }),
      summary('2026-03-01T00:00:00Z'),
    ];
    expect(kept(mixed, { last: 1 })).toEqual(['2026-06-01T00:00', '2026-05-01T00:00', '2026-04-01T00:00']);
  });

  test('the newest capture of every component stays whatever the policy says', () => {
    const all = [
      summary('2026-06-03T00:00:00Z', { components: ['config', 'volume/a'] }),
      summary('2026-06-02T00:00:00Z', { components: ['config', 'volume/a', 'volume/b'] }),
      summary('2026-06-01T00:00:00Z', { components: ['config', 'volume/a', 'volume/b'] }),
    ];
    const decisions = protectNewestCaptures(applyRetention(all, { last: 1 }, NOW), all);
    expect(decisions.map(({ kept: isKept, reason }) => [isKept, reason])).toEqual([
      [true, 'last'],
      [true, 'newest snapshot with volume/b'],
      [false, 'not kept by keep-last 1'],
    ]);
  });

  test('a crash copy does not push out the newest good capture', () => {
    const all = [
      summary('2026-06-03T00:00:00Z', { components: ['config'] }),
      summary('2026-06-02T00:00:00Z', { components: ['config', 'volume/b'], doubtful: ['volume/b'], completeness: 'partial' }),
      summary('2026-06-01T00:00:00Z', { components: ['config', 'volume/b'] }),
    ];
    const decisions = protectNewestCaptures(applyRetention(all, { last: 1 }, NOW), all);
    expect(decisions.map(({ kept: isKept }) => isKept)).toEqual([true, false, true]);
  });

  test('classic archives follow keep-last and no other rule', () => {
    const archives = [1, 2, 3].map((day) => {
      return {
        file: `mcads_system_backup_2025080${day}_000000.tar.gz`,
        project: 'mcads',
        strategy: 'host' as const,
        startedAt: `2025-08-0${day}T00:00:00.000Z`,
        bytes: 1,
      };
    });
    expect(applyClassicRetention(archives, { last: 1, daily: 9 }, NOW).map(({ kept: isKept }) => isKept)).toEqual([false, false, true]);
    expect(applyClassicRetention(archives, { daily: 1 }, NOW).every(({ kept: isKept }) => isKept)).toBe(true);
  });

  test('in any history: a stricter policy keeps a part of what a looser one keeps, and the newest complete one always stays', () => {
    const history = fc.array(fc.record({ minutes: fc.nat(2_000_000), partial: fc.boolean() }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (entries, last, daily) => {
        const snapshots = entries.map(({ minutes, partial }, i) => {
          const at = new Date(NOW.getTime() - minutes * 60_000).toISOString();
          return summary(at, { name: `shop_${i}`, completeness: partial ? 'partial' : 'complete' });
        });
        const names = (policy: RetentionPolicy) =>
          new Set(applyRetention(snapshots, policy, NOW).flatMap((decision) => (decision.kept ? [decision.name] : [])));
        const strict = names({ last, daily });
        const loose = names({ last: last + 1, daily: daily + 1 });
        expect([...strict].filter((name) => !loose.has(name))).toEqual([]);
        const complete = snapshots
          .filter(({ completeness }) => completeness === 'complete')
          .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
        const newest = complete[0];
        expect(newest === undefined || complete.some(({ name, startedAt }) => strict.has(name) && startedAt === newest.startedAt)).toBe(
          true,
        );
        expect(complete.filter(({ name }) => names({ last }).has(name))).toHaveLength(Math.min(last, complete.length));
      }),
    );
  });
});

test('durations are read as written', () => {
  expect(parseDurationMs('90d')).toBe(90 * 86_400_000);
  expect(parseDurationMs('1y6M2w3d4h5m6s')).toBe((365 + 180 + 14 + 3) * 86_400_000 + 4 * 3_600_000 + 5 * 60_000 + 6000);
  for (const wrong of ['', '5', 'd', '1.5d', '-1d', '1 d', '1x']) expect(parseDurationMs(wrong)).toBeNull();
});

test('a policy is told in the words of the command line', () => {
  expect(describePolicy({ last: 10, daily: -1, withinMs: 86_400_000 })).toBe('keep-last 10, keep-daily all, keep-within 24h');
  expect(describePolicy({})).toBe('no rule');
});
