import type { Bytes } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { RawPath } from '../domain/tree.ts';
import { tarEvents } from '../stream/archive-reader.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { encodeTarHeader, paddedSize, TRAILER } from '../stream/tar-header.ts';
import { namedHeader } from '../stream/tar-name.ts';
import type { TarMember } from '../stream/tar-scanner.ts';
import { RESOLVED_MODEL } from './config-tar.ts';

/** In `config.tar.gz` of a host's archive the project's files stand as in the project; this folder holds everything else. */
const OTHERS = '.mcads/';
const PROJECT = 'project/';

/** The `config` component as the old scripts laid it out: unpacked in the project's directory each file is in its place. */
export function toClassicConfig(tar: Bytes): AsyncGenerator<Uint8Array> {
  return renamed(tar, (path) => (path.startsWith(PROJECT) ? path.slice(PROJECT.length) : `${OTHERS}${path}`));
}

/** The reverse. */
export function fromClassicConfig(tar: Bytes): AsyncGenerator<Uint8Array> {
  return renamed(tar, (path) => (path.startsWith(OTHERS) ? path.slice(OTHERS.length) : `${PROJECT}${path}`));
}

async function* renamed(tar: Bytes, rename: (path: RawPath) => RawPath): AsyncGenerator<Uint8Array> {
  for await (const event of tarEvents(tar, 'the configuration'))
    yield event.kind === 'data' ? event.bytes : namedHeader(event.member, rename(event.member.path), null);
  yield TRAILER;
}

/** Calls back for each member of a tar that passes through unchanged. */
export async function* watchedTar(tar: Bytes, what: string, onMember: (member: TarMember) => void): AsyncGenerator<Uint8Array> {
  for await (const event of tarEvents(tar, what)) {
    if (event.kind === 'member') onMember(event.member);
    yield event.kind === 'data' ? event.bytes : event.member.header;
  }
  yield TRAILER;
}

/** A warning for configuration that a restore would write outside of the project's directory: whoever made the archive chose these places. */
export class OutsideFiles {
  readonly #paths: string[] = [];

  see({ path }: TarMember): void {
    if (path.startsWith('host/')) this.#paths.push(printableRaw(path).slice('host'.length));
  }

  findings(): readonly Finding[] {
    if (this.#paths.length === 0) return [];
    return [
      {
        severity: 'warning',
        code: 'config-outside',
        subject: 'config',
        message: `the imported configuration holds files outside of the project's directory: ${this.#paths.slice(0, 5).join(', ')}${this.#paths.length > 5 ? ', …' : ''}`,
        hint: 'a restore shows them before it writes any; look at them first where somebody else made the archive',
      },
    ];
  }
}

/**
 * `config.tar.gz` of the old scripts as a `config` component: regular files only, and what is known of them in `resolved.json`. What else it holds goes
 * into `leftOut`.
 */
export async function* adoptedConfig(tar: Bytes, project: string, leftOut: string[]): AsyncGenerator<Uint8Array> {
  const roles: Record<string, string> = {};
  let keep = false;
  for await (const event of tarEvents(tar, 'config.tar.gz')) {
    if (event.kind === 'data') {
      if (keep) yield event.bytes;
      continue;
    }
    const { type, path } = event.member;
    keep = type === 'f';
    if (!keep) {
      if (type !== 'd') leftOut.push(printableRaw(path));
      continue;
    }
    const name = `${PROJECT}${path}`;
    roles[printableRaw(name)] = 'file';
    yield namedHeader(event.member, name, null);
  }
  const resolved = { project, directory: null, composeFiles: [], environment: {}, files: roles, model: null };
  const bytes = Buffer.from(`${JSON.stringify(resolved, null, 1)}\n`);
  yield encodeTarHeader({
    name: RESOLVED_MODEL,
    type: '0',
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: 0,
    linkName: '',
  });
  yield Buffer.concat([bytes, Buffer.alloc(paddedSize(bytes.length) - bytes.length), TRAILER]);
}
