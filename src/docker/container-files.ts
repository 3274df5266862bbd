import type { Bytes } from '../domain/byte-stream.ts';
import type { HostFile } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { toText } from '../stream/raw-path.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import type { EngineClient } from './engine-client.ts';
import { statusOf } from './engine-errors.ts';
import { sendTar } from './send-tar.ts';

const LARGEST_FILE = 16 * 1024 * 1024;

/** What `Engine.readContainerFile` promises. */
export async function readContainerFile(
  client: EngineClient,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<HostFile | null> {
  const doing = `reading ${path} in container ${container}`;
  let response: Bytes;
  try {
    response = await client.request('GET', archiveOf(container), { query: { path } }, doing, signal);
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
  let found: Omit<HostFile, 'bytes'> | null = null;
  let size = 0;
  const parts: Buffer[] = [];
  for await (const event of scanTar(response)) {
    if (event.kind === 'member') {
      const { type, mode, uid, gid, mtime, path: name } = event.member;
      if (found !== null || type !== 'f') throw new McadsError('component-failed', `${toText(name)} in container ${container} is no file`);
      ({ size } = event.member);
      if (size > LARGEST_FILE)
        throw new McadsError('component-failed', `${path} in container ${container} is too large for a configuration file`);
      found = { path, mode, owner: { uid, gid }, mtime };
    } else parts.push(Buffer.from(event.bytes)); // the reader's buffers are views
  }
  if (found === null) return null;
  const bytes = Buffer.concat(parts).subarray(0, size);
  if (bytes.length !== size) throw new McadsError('component-failed', `${path} in container ${container} could not be read whole`);
  return { ...found, bytes };
}

/** What `RestoreEngine.putFiles` promises. */
export async function putFiles(client: EngineClient, container: string, tar: Bytes, signal: AbortSignal): Promise<void> {
  await sendTar(client, 'PUT', archiveOf(container), { path: '/' }, tar, `putting files into ${container}`, signal);
}

function archiveOf(container: string): string {
  return `/containers/${encodeURIComponent(container)}/archive`;
}
