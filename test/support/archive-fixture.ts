import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ExportReport, ImportReport } from '../../src/domain/archive.ts';
import type { EventSink } from '../../src/domain/events.ts';
import { kindOf } from '../../src/domain/component.ts';
import type { ComponentDetails, Manifest, ManifestArtifact, ManifestComponent } from '../../src/domain/manifest.ts';
import type { SnapshotRepository, SnapshotWriter } from '../../src/domain/ports.ts';
import { openLocalTree } from '../../src/host/local-tree.ts';
import { gnuTarExtractor } from '../../src/host/tar-extract.ts';
import { captureTree } from '../../src/pipeline/capture-tree.ts';
import { configTar } from '../../src/pipeline/config-tar.ts';
import { exportSnapshot } from '../../src/pipeline/export.ts';
import { extract } from '../../src/pipeline/extract.ts';
import { importArchive, type ImportRequest } from '../../src/pipeline/import.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { makeManifest, NEVER, putArtifact, toComponentId } from './repository-fixture.ts';
import { runCommand } from './run-command.ts';

/** A folder becomes a tree, bytes a stream, and a map of names the configuration. */
export type Source = { readonly tree: string } | { readonly bytes: Buffer } | { readonly config: Readonly<Record<string, string>> };

const FORMATS: Readonly<Record<string, ManifestArtifact['format']>> = {
  sqlite: 'sqlite',
  state: 'json',
  database: 'pgdump',
  globals: 'sql',
  image: 'tar',
};

/** Stores what a backup would: trees with their catalogues, everything else as it is. */
export async function storeSnapshot(
  repository: SnapshotRepository,
  name: string,
  sources: Readonly<Record<string, Source>>,
): Promise<Manifest> {
  await using writer = await repository.begin(name, 'mcads', NEVER);
  const components: ManifestComponent[] = [];
  for (const [id, source] of Object.entries(sources))
    components.push({ id: toComponentId(id), artifacts: await store(writer, id, source) });
  const made = makeManifest(
    repository.id,
    name,
    components.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  );
  const details = Object.fromEntries(components.map(({ id, artifacts }) => [id, detailsOf(artifacts)]));
  const manifest = { ...made, sealed: { ...made.sealed, components: details, workingDirectory: '/opt/mcads/app' } };
  await writer.commit(manifest, 'made by a test\n');
  return manifest;
}

async function store(writer: SnapshotWriter, id: string, source: Source): Promise<readonly ManifestArtifact[]> {
  if ('tree' in source) {
    await using tree = await openLocalTree(source.tree, {}, NEVER);
    return (await captureTree(tree, writer, { parent: null, exclude: [], neverCapture: [] }, NEVER)).artifacts;
  }
  if ('bytes' in source) return [await putArtifact(writer, source.bytes, FORMATS[kindOf(toComponentId(id))] ?? 'tar')];
  const files = Object.entries(source.config).map(([file, text]) => ({
    name: file,
    path: `/${file}`,
    role: 'file',
    bytes: Buffer.from(text),
    mode: 0o640,
    owner: null,
    mtime: '1700000000',
  }));
  const { body } = configTar({ files, findings: [], resolved: { project: 'mcads', files: {} } });
  return [await putArtifact(writer, Buffer.concat(await Array.fromAsync(body)), 'tar')];
}

function detailsOf(artifacts: readonly ManifestArtifact[]): ComponentDetails {
  return {
    outcome: 'captured',
    how: 'by a test',
    because: 'detected',
    consistency: 'live',
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:00:01.000Z',
    bytes: artifacts[0]?.bytes ?? 0,
    storedBytes: 0,
    facts: { tables: { patients: 3 } },
    findings: [],
  };
}

export async function exportTo(
  repository: SnapshotRepository,
  snapshot: string,
  folder: string,
  signal: AbortSignal = NEVER,
  events: EventSink = () => undefined,
): Promise<ExportReport> {
  const request = { snapshot, path: join(folder, `${snapshot}.tar.gz`), verificationPath: join(folder, `${snapshot}_verification.txt`) };
  const renderVerification = (_: Manifest, report: ExportReport): string => `${report.sha256}\n`;
  const ports = { renderVerification, renderSystemInfo: () => 'Linux\n', now: () => new Date(), events };
  return exportSnapshot(repository, request, ports, signal);
}

export async function importInto(path: string, file: string, request: Partial<ImportRequest> = {}): Promise<ImportReport> {
  return importArchive(
    { file, maxUnpackedBytes: null, allowDevices: false, ...request },
    {
      openRepository: () => writable(path),
      renderVerification: () => 'imported\n',
      tool: { name: 'mcads-orchestrate', version: '0.0.0' },
      events: () => undefined,
    },
    NEVER,
  );
}

export async function writable(path: string): Promise<Repository> {
  return openRepository({ path, mode: 'write', create: true });
}

/** Everything of a snapshot as files, by component. */
export async function extractAll(repository: SnapshotRepository, snapshot: string, target: string): Promise<string> {
  const output = async (): Promise<void> => undefined;
  await extract(repository, { snapshot, selections: [], target, overwrite: false, output }, () => undefined, NEVER, gnuTarExtractor());
  return target;
}

/** With plain tar and no option that the tool would need. */
export async function untar(archive: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await runCommand('tar', ['-xpzf', archive, '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner'], { cwd: folder });
}

export async function writeTree(folder: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

/** A small database as the application would have it. */
export async function sqliteBytes(folder: string): Promise<Buffer> {
  const path = join(folder, `${randomUUID()}.sqlite3`);
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE patients (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO patients (name) VALUES ('a'), ('b'), ('c')");
  database.close();
  return readFile(path);
}

/** An MCADS application directory. */
export async function makeApplication(folder: string): Promise<void> {
  await writeTree(folder, {
    'manage.py': '#!/usr/bin/env python3\n',
    'mcads_project/settings.py': "DEBUG = False\nDATABASES = {'default': {'NAME': 'db.sqlite3'}}\n",
    'media/xrays/0001.png': Buffer.alloc(200_000, 'pixel'),
    'media/xrays/0002.png': Buffer.alloc(10, 1),
    'staticfiles/app.css': 'body{}\n',
    'static/app.js': '1;\n',
    'logs/mcads.log': 'started\n',
    'data_exports/2025.csv': 'a;b\n',
    'models/weights.bin': Buffer.alloc(3_000_000, 'weights '),
    'tests/test_app.py': 'pass\n',
    'locale/de/LC_MESSAGES/django.po': 'msgid ""\n',
    'docker-compose.yml': 'services: {}\n',
    '.env': 'SECRET_KEY=x\n',
    'nginx/mcads.conf': 'server {}\n',
  });
  await writeFile(join(folder, 'db.sqlite3'), await sqliteBytes(folder));
}

/** Kind, mode, owner, size, time to the nanosecond, target and content of everything below a folder, and which names are one file. */
export async function treeState(folder: string): Promise<string> {
  const script = String.raw`
    find . -printf '%P|%y %m %U:%G %T@ %l|' \( -type f -printf '%s %n' -o -true \) -printf '\n' | sort
    find . -type f -links +1 -printf '%i %P\n' | sort | awk '{ if ($1 != last) { last = $1; print "one file:" } print $2 }'
    find . -type f -exec sha256sum {} + | sort -k 2`;
  return (await runCommand('bash', ['-c', script], { cwd: folder, env: { LC_ALL: 'C' } })).stdout;
}
