import { posix } from 'node:path';
import type { Where } from '../domain/compose-model.ts';
import { refuse } from './problems.ts';
import { bool, mapOf, text } from './tree.ts';
import type { MapNode, ScalarNode } from './tree.ts';

/** The short syntax `source:target:options` taken apart. */
export interface ShortVolume {
  readonly type: 'bind' | 'volume';
  readonly source: string | undefined;
  readonly target: string;
  readonly readOnly: boolean;
  readonly noCopy: boolean;
  readonly propagation: string | undefined;
  readonly selinux: string | undefined;
}

const PROPAGATIONS = new Set(['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave']);

/** Rejects with 'config' where the text is no volume. Options that Compose does not know are ignored, as it does. */
export function parseVolume(spec: string, where: Where): ShortVolume {
  const plain = { readOnly: false, noCopy: false, propagation: undefined, selinux: undefined } as const;
  if (spec === '') refuse(where, 'a volume must not be empty');
  if (Buffer.byteLength(spec) <= 2) return { ...plain, type: 'volume', source: undefined, target: spec };
  const parts = splitParts(spec);
  if (parts.includes('')) refuse(where, `invalid volume ${spec}: empty section between colons`);
  if (parts.length > 3) refuse(where, `invalid volume ${spec}: too many colons`);
  const [first = '', second, third = ''] = parts;
  const source = second === undefined ? undefined : first;
  let options: Omit<ShortVolume, 'type' | 'source' | 'target'> = plain;
  for (const option of third.split(',')) {
    if (option === 'ro' || option === 'rw') options = { ...options, readOnly: option === 'ro' };
    else if (option === 'nocopy') options = { ...options, noCopy: true };
    else if (PROPAGATIONS.has(option)) options = { ...options, propagation: option };
    else if (option === 'z' || option === 'Z') options = { ...options, selinux: option };
  }
  return { ...options, type: source !== undefined && isFilePath(source) ? 'bind' : 'volume', source, target: second ?? first };
}

/** The long form that Compose makes of the short one. */
export function toLongVolume(spec: string, where: Where): MapNode {
  const volume = parseVolume(spec, where);
  const optional = (value: string | undefined): ScalarNode | undefined => (value === undefined ? undefined : text(value, where));
  const flag = (value: boolean): ScalarNode | undefined => (value ? bool(true, where) : undefined);
  const isBind = volume.type === 'bind';
  const hasBind = isBind || volume.propagation !== undefined || volume.selinux !== undefined;
  const isShortest = Buffer.byteLength(spec) <= 2;
  return mapOf(
    {
      type: text(volume.type, where),
      source: optional(volume.source),
      target: text(posix.normalize(volume.target).replace(/(.)\/$/, '$1'), where),
      read_only: flag(volume.readOnly),
      bind: hasBind
        ? mapOf({ selinux: optional(volume.selinux), propagation: optional(volume.propagation), create_host_path: flag(isBind) }, where)
        : undefined,
      volume: (!isBind && !isShortest) || volume.noCopy ? mapOf({ nocopy: flag(volume.noCopy) }, where) : undefined,
    },
    where,
  );
}

/** Colons separate, except the one of a drive letter. */
function splitParts(spec: string): readonly string[] {
  const parts: string[] = [];
  let part = '';
  for (const character of spec) {
    if (character === ':' && !/^\p{L}$/u.test(part)) {
      parts.push(part);
      part = '';
    } else {
      part += character;
    }
  }
  return [...parts, part];
}

function isFilePath(source: string): boolean {
  return /^[./~]/.test(source) || source.startsWith('\\\\') || /^\p{L}:/u.test(source);
}
