import { describe, expect, test } from 'vitest';
import { judgeLevels, levelReached, proofOf, type DrillCheck, type DrillLevel } from '../../src/domain/drill.ts';

function check(level: DrillLevel, ok = true): DrillCheck {
  return { level, name: 'check', subject: 'something', ok, detail: '' };
}

function outcomes(checks: readonly DrillCheck[], wanted: DrillLevel = 6): readonly string[] {
  return judgeLevels(checks, wanted).map(({ outcome }) => outcome);
}

describe('levels', () => {
  test('a level with nothing to check does not block, and is not called reached', () => {
    const checks = [check(0), check(1), check(2), check(3), check(4), check(6)];
    expect(outcomes(checks)).toEqual(['passed', 'passed', 'passed', 'passed', 'passed', 'n/a', 'passed']);
    expect(levelReached(judgeLevels(checks, 6))).toBe(6);
    expect(levelReached(judgeLevels(checks.slice(0, 5), 5))).toBe(4);
  });

  test('nothing above a failure counts, whatever passed there', () => {
    const checks = [check(0), check(1), check(2), check(2, false), check(3), check(4)];
    expect(outcomes(checks)).toEqual(['passed', 'passed', 'failed', 'not reached', 'not reached', 'not reached', 'not reached']);
    expect(levelReached(judgeLevels(checks, 6))).toBe(1);
  });

  test('a failure at the lowest level reaches none', () => {
    expect(levelReached(judgeLevels([check(0, false), check(1)], 5))).toBeNull();
  });

  test('what was not asked for is not reached', () => {
    expect(outcomes([check(0), check(1)], 1)).toEqual(['passed', 'passed', ...Array.from({ length: 5 }, () => 'not reached')]);
  });
});

describe('proof of a snapshot', () => {
  const at = '2025-08-01T12:00:00.000Z';

  test('is what a drill of all of it reached, red ones included', () => {
    expect(proofOf({ level: 4, at, ok: true, components: null })).toEqual({ level: 4, at });
    expect(proofOf({ level: 1, at, ok: false, components: null })).toEqual({ level: 1, at, failed: true });
    expect(proofOf({ level: null, at, ok: false, components: null })).toEqual({ level: null, at, failed: true });
  });

  test('is not what a drill of a part reached, nor what cannot be understood', () => {
    expect(proofOf({ level: 5, at, ok: true, components: ['volume/media'] })).toBeNull();
    expect(proofOf({ level: 'high', at })).toBeNull();
    expect(proofOf({})).toBeNull();
  });
});
