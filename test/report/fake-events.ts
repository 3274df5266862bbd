import { componentId, componentIdOfName, type ComponentId } from '../../src/domain/component.ts';
import type { RunEvent } from '../../src/domain/events.ts';
import type { Consistency } from '../../src/domain/manifest.ts';
import type { StoredOutcome } from '../../src/domain/outcome.ts';

export const DATABASE = componentIdOfName('database', 'db', 'mcads');
export const MEDIA = componentId('volume', 'media');
export const MODELS = componentId('bind', 'web', '/srv/application/with/a/rather/deep/path/models');
export const ODD = componentId('volume', 'ödd "näme"\n日本語');
export const CONFIG = componentId('config');

const MIB = 1024 * 1024;

export function stored(
  id: ComponentId,
  bytes: number,
  storedBytes: number,
  consistency: Consistency,
  status: 'captured' | 'reused' = 'captured',
): StoredOutcome {
  const at = '2025-08-01T14:29:05.000Z';
  const details = {
    outcome: status,
    how: 'tar through a helper',
    because: 'detected',
    consistency,
    startedAt: at,
    finishedAt: at,
    bytes,
    storedBytes,
    facts: {},
    findings: [],
  } as const;
  return { status, id, component: { id, artifacts: [] }, details };
}

/** A backup's events with the milliseconds at which they come. */
export function* fakeBackup(): Generator<{ readonly at: number; readonly event: RunEvent }> {
  yield { at: 0, event: { type: 'stage', stage: 'discover' } };
  yield { at: 100, event: { type: 'stage', stage: 'plan', detail: 'mcads' } };
  const sizes: readonly (readonly [ComponentId, number | null])[] = [
    [CONFIG, 20_480],
    [DATABASE, 900 * MIB],
    [MEDIA, 3000 * MIB],
    [MODELS, null],
    [ODD, 40 * MIB],
  ];
  yield { at: 300, event: { type: 'planned', components: sizes.map(([id, bytes]) => ({ id, bytes })) } };
  yield { at: 310, event: { type: 'component-started', id: CONFIG, bytesExpected: 20_480 } };
  yield { at: 320, event: { type: 'component-finished', outcome: stored(CONFIG, 20_480, 6_000, 'live'), seconds: 0.01 } };
  yield { at: 330, event: { type: 'service', name: 'web', action: 'pausing' } };
  yield { at: 340, event: { type: 'service', name: 'web', action: 'paused' } };
  for (const [id, bytes] of sizes.slice(1)) yield { at: 350, event: { type: 'component-started', id, bytesExpected: bytes } };
  const steps = 60;
  for (let step = 1; step <= steps; step += 1) {
    for (const [id, bytes] of sizes.slice(1)) {
      const total = bytes ?? 700 * MIB;
      const done = Math.round((total * step) / steps);
      yield {
        at: 350 + step * 100,
        event: {
          type: 'component-progress',
          id,
          bytes: done,
          stored: Math.round(done / 3),
          bytesExpected: bytes,
          phase: step < 10 ? 'scan' : 'read',
        },
      };
    }
    if (step === 30) {
      const finding = {
        severity: 'warning',
        code: 'torn',
        subject: MEDIA,
        message: 'media/log\u001b[31m.txt changed while it was read',
        hint: 'pause the service',
      } as const;
      yield { at: 350 + step * 100, event: { type: 'finding', finding } };
    }
  }
  yield { at: 6400, event: { type: 'component-finished', outcome: stored(DATABASE, 900 * MIB, 300 * MIB, 'dump'), seconds: 6 } };
  yield { at: 6500, event: { type: 'component-finished', outcome: stored(MEDIA, 3000 * MIB, 0, 'paused', 'reused'), seconds: 6.1 } };
  yield { at: 6550, event: { type: 'service', name: 'web', action: 'running' } };
  yield {
    at: 6600,
    event: {
      type: 'component-finished',
      outcome: { status: 'failed', id: MODELS, reason: 'tar: models/a.bin: Permission denied', findings: [] },
      seconds: 6.2,
    },
  };
  yield { at: 6700, event: { type: 'component-finished', outcome: stored(ODD, 40 * MIB, 40 * MIB, 'live'), seconds: 6.3 } };
  yield { at: 6800, event: { type: 'stage', stage: 'commit', detail: 'mcads_backup_20250801_142905' } };
}
