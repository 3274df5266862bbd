import type { JsonValue } from '../domain/byte-stream.ts';
import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { HostRuntime } from '../domain/host.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotWriter } from '../domain/ports.ts';
import type { CaptureMethod, Project } from '../domain/plan.ts';
import type { Finding } from '../domain/finding.ts';
import { McadsError } from '../errors.ts';
import { captureStream } from './capture-stream.ts';
import { adapterOf } from './kept-restores.ts';

/** What a host's `DATABASE_URL` names. */
const HOST_ENGINE = 'postgres';

type HostStream = Extract<CaptureMethod, { readonly kind: 'sqlite' | 'host-dump' | 'host-state' }>;

export interface HostCapture {
  readonly runtime: HostRuntime | null;
  readonly adapters: readonly DatabaseAdapter[];
  readonly project: Project;
  readonly writer: SnapshotWriter;
  readonly onProgress: (phase: string) => (bytes: number, stored: number) => void;
}

export interface CapturedStreamOfHost {
  readonly artifacts: readonly ManifestArtifact[];
  readonly bytes: number;
  readonly storedBytes: number;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly findings: readonly Finding[];
}

/** A database or the state of this host, as one stream. */
export async function captureFromHost(method: HostStream, capture: HostCapture, signal: AbortSignal): Promise<CapturedStreamOfHost> {
  const { writer, onProgress } = capture;
  const runtime = runtimeOf(capture.runtime);
  switch (method.kind) {
    case 'sqlite': {
      const stream = await runtime.copyDatabase(method.path, writer.spoolDirectory, () => undefined, signal);
      return stored(await captureStream(stream, writer, { format: 'sqlite', onProgress: onProgress('copy') }, signal));
    }
    case 'host-dump': {
      const { snapshotQueries } = adapterOf(capture.adapters, HOST_ENGINE);
      const stream = await runtime.dumpServer(method.server, snapshotQueries, signal);
      return stored(await captureStream(stream, writer, { format: 'pgdump', onProgress: onProgress('dump') }, signal));
    }
    case 'host-state': {
      if (capture.project.host === undefined) throw new McadsError('unexpected', 'the state of a host without an application');
      const state = await runtime.state(capture.project.host, signal);
      const stream = { body: oneLine(JSON.stringify(state, null, 1)), done: Promise.resolve({}) };
      return stored(await captureStream(stream, writer, { format: 'json', onProgress: onProgress('state') }, signal));
    }
  }
}

export function runtimeOf(runtime: HostRuntime | null): HostRuntime {
  if (runtime === null) throw new McadsError('unexpected', 'a component of the host strategy without a host');
  return runtime;
}

function stored({
  artifact,
  bytes,
  storedBytes,
  verdict,
}: Awaited<
  ReturnType<typeof captureStream<{ facts?: Readonly<Record<string, JsonValue>>; findings?: readonly Finding[] }>>
>): CapturedStreamOfHost {
  return { artifacts: [artifact], bytes, storedBytes, facts: verdict.facts ?? {}, findings: verdict.findings ?? [] };
}

async function* oneLine(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(`${text}\n`);
}
