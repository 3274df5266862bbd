import type { RunEvent } from '../../src/domain/events.ts';
import type { KeptRestore, PlaceReport, PlannedRestore, RestorePlan, RestoreResult } from '../../src/domain/restore.ts';
import { CONFIG, DATABASE, MEDIA, MODELS, ODD } from './fake-events.ts';

const MIB = 1024 * 1024;

const PLACE: PlaceReport = {
  exists: true,
  createdFrom: null,
  isEmpty: false,
  transport: 'pipe',
  swaps: true,
  freeBytes: 9000 * MIB,
  freeInodes: null,
  filesystem: '1',
  nestedMounts: [],
  repositories: [],
  readOnly: false,
};

function tree(id: PlannedRestore['id'], name: string, bytes: number, swaps: boolean): PlannedRestore {
  return {
    id,
    action: swaps ? 'replace' : 'overwrite',
    how: `${swaps ? 'replaces' : 'overwrites'} what is in volume ${name}`,
    bytes,
    facts: {},
    target: {
      kind: 'tree',
      place: { mount: { type: 'volume', name, driver: 'local', subpath: null }, singleFile: null },
      name: `volume ${name}`,
      report: { ...PLACE, swaps, transport: swaps ? 'pipe' : 'archive' },
      kept: [],
      keptGlobs: [],
      createsVolume: false,
    },
  };
}

/** In place: two trees that are swapped, one that cannot be, a database, configuration that differs; hostile names throughout. */
export const PLAN: RestorePlan = {
  snapshot: 'mcads_backup_20250801_142905',
  takenAt: '2025-08-01T14:29:05.000Z',
  completeness: 'complete',
  proof: null,
  project: 'mcads',
  engine: 'xray\u001b[31m at unix:///var/run/docker.sock',
  directory: '/srv/mcads',
  beside: false,
  fresh: false,
  components: [
    {
      id: DATABASE,
      action: 'replace',
      how: 'replaces database mcads of db',
      bytes: 900 * MIB,
      facts: {},
      target: {
        kind: 'database',
        adapter: 'postgres',
        service: 'db',
        database: 'mcads',
        temporary: 'mcads__mcads_new_0',
        kept: 'mcads__mcads_old_0',
        container: { id: 'c1', name: 'mcads-db-1' },
        exists: true,
      },
    },
    tree(MEDIA, 'mcads_media', 3000 * MIB, true),
    tree(ODD, 'ödd "näme"\n日本語', 40 * MIB, true),
    tree(MODELS, 'models', 700 * MIB, false),
    {
      id: CONFIG,
      action: 'keep',
      how: '2 files are as they were, 2 differ',
      bytes: 20_480,
      facts: {},
      target: {
        kind: 'config',
        directory: '/srv/mcads',
        files: [
          { path: 'compose.yaml', action: 'same' },
          { path: '.env', action: 'keep' },
          { path: 'nginx/\u202ecod.conf', action: 'keep' },
          { path: 'scripts/a.sh', action: 'create' },
        ],
      },
    },
    { id: CONFIG, action: 'keep', how: 'read only', bytes: 5000, facts: {}, target: { kind: 'state' } },
  ],
  services: [
    { name: 'web', container: 'mcads-web-1', stops: true, ran: true },
    { name: 'web', container: 'mcads-web-2', stops: true, ran: true },
    { name: 'worker', container: 'mcads-worker-1', stops: true, ran: false },
    { name: 'db', container: 'mcads-db-1', stops: false, ran: true },
  ],
  recreation: null,
  missingImages: [],
  safety: [MODELS],
  findings: [],
};

/** Beside the original, on an engine that has nothing of it. */
export const BESIDE: RestorePlan = {
  ...PLAN,
  project: 'mcads-copy',
  directory: '/srv/copy of mcads',
  beside: true,
  fresh: true,
  safety: [],
  components: PLAN.components.slice(0, 2).map((one) => ({ ...one, action: 'create', how: 'creates it' })),
  services: [{ name: 'web', container: 'mcads-copy-web-1', stops: false, ran: false }],
  recreation: {
    networks: [{ name: 'mcads-copy_default', body: {} }],
    volumes: [{ name: 'mcads-copy_media', composeKey: 'media', recordedName: 'mcads_media', folder: null, body: {} }],
    containers: ['web', 'job'].map((service) => ({
      name: `mcads-copy-${service}-1`,
      service,
      number: 1,
      image: `mcads/${service}`,
      imageId: 'sha256:0',
      imageDigests: [],
      imageTags: [],
      wasRunning: service === 'web',
      dependsOn: [],
      volumes: [],
      binds: [],
      body: {},
    })),
    changes: ['published port 8080 of web is dropped', 'external volume \u001b[2Jshared becomes a copy of its own'],
  },
  missingImages: [{ image: 'mcads/web', services: ['web'], command: 'docker compose build web' }],
};

export const RESULT: RestoreResult = {
  plan: PLAN,
  components: [
    { id: DATABASE, outcome: 'restored', detail: 'replaces database mcads of db', bytes: 900 * MIB, seconds: 33.9 },
    { id: MEDIA, outcome: 'restored', detail: 'replaces what is in volume mcads_media', bytes: 3000 * MIB, seconds: 12 },
    { id: ODD, outcome: 'restored', detail: 'replaces what is in volume ödd', bytes: 40 * MIB, seconds: 0 },
    { id: MODELS, outcome: 'restored', detail: 'overwrites it', bytes: 700 * MIB, seconds: 9 },
    { id: CONFIG, outcome: 'kept', detail: '2 files differ', bytes: 20_480, seconds: 0 },
  ],
  services: [
    { name: 'mcads-db-1', state: 'running', health: 'healthy', downSeconds: null },
    { name: 'mcads-web-1', state: 'running', health: 'none', downSeconds: 4.2 },
  ],
  databases: [{ component: DATABASE, name: 'mcads', tables: 12, rows: 1_234_567, rowsEqual: true }],
  files: [
    { component: MEDIA, entries: 100_001, bytes: 3000 * MIB, hashed: 64 },
    { component: ODD, entries: 1, bytes: 40 * MIB, hashed: 1 },
  ],
  findings: [],
  keptUntil: '2025-08-11T09:02:00.000Z',
  safetySnapshot: 'mcads_backup_20250804_090000',
  startedAt: '2025-08-04T09:00:00.000Z',
  seconds: 120,
};

export const KEPT: KeptRestore = {
  id: 'k1',
  until: '2025-08-11T09:02:00.000Z',
  journal: {
    format: 1,
    run: '0123456789ab',
    project: 'mcads',
    snapshot: 'mcads_backup_20250801_142905',
    startedAt: '2025-08-04T09:00:00.000Z',
    users: [{ id: 'c2', name: 'mcads-web-1' }],
    running: [{ id: 'c2', name: 'mcads-web-1' }],
    trees: [
      {
        component: ODD,
        place: { mount: { type: 'volume', name: 'odd', driver: 'local', subpath: null }, singleFile: null },
        createdFrom: null,
      },
    ],
    databases: [
      {
        component: DATABASE,
        adapter: 'postgres',
        service: 'db',
        container: { id: 'c1', name: 'mcads-db-1' },
        access: { user: null, passwordFile: null, port: null, databases: null },
        database: 'mcads',
        temporary: 'mcads__mcads_new_0',
        kept: 'mcads__mcads_old_0',
      },
    ],
    roles: [],
    files: [{ path: '/srv/mcads/.env', kept: '/srv/mcads/.env.old' }],
    made: [],
    created: { containers: [], networks: [], volumes: [] },
  },
};

/** A restore's events with the milliseconds at which they come. */
export function* fakeRestore(): Generator<{ readonly at: number; readonly event: RunEvent }> {
  const sizes = [
    [DATABASE, 900 * MIB],
    [MEDIA, 3000 * MIB],
    [ODD, 40 * MIB],
  ] as const;
  yield { at: 0, event: { type: 'planned', components: sizes.map(([id, bytes]) => ({ id, bytes })) } };
  yield { at: 10, event: { type: 'stage', stage: 'build' } };
  for (const [id, bytesExpected] of sizes) yield { at: 20, event: { type: 'component-started', id, bytesExpected } };
  for (let step = 1; step <= 30; step += 1) {
    for (const [id, bytesExpected] of sizes) {
      const bytes = Math.round((bytesExpected * step) / 30);
      const phase = id === DATABASE ? 'database' : 'files';
      yield { at: 20 + step * 100, event: { type: 'component-progress', id, bytes, stored: 0, bytesExpected, phase } };
    }
  }
  for (const [id, bytes] of sizes) yield { at: 3100, event: { type: 'component-restored', id, bytes, seconds: 3 } };
  yield { at: 3200, event: { type: 'stage', stage: 'swap' } };
  yield { at: 3210, event: { type: 'service', name: 'mcads-web-1', action: 'stopping' } };
  yield { at: 3600, event: { type: 'service', name: 'mcads-web-1', action: 'stopped' } };
  yield { at: 4000, event: { type: 'stage', stage: 'start' } };
  yield { at: 4010, event: { type: 'service', name: 'mcads-web-1', action: 'starting' } };
  yield { at: 4600, event: { type: 'service', name: 'mcads-web-1', action: 'running' } };
}
