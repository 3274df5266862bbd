import type { JsonObject } from '../domain/byte-stream.ts';
import type { CopiedContainer, CopyOptions } from '../domain/drill-ports.ts';
import { list, record, text } from './json-values.ts';

export interface CopiedMounts {
  readonly mounts: readonly JsonObject[];
  readonly files: CopiedContainer['files'];
}

/**
 * A container's mounts in the copy: volumes and held folders become private volumes, held files are put in later, and every other path of the
 * host is left out and told in `changes`. No path of the host is ever mounted.
 */
export function copiedMounts(
  json: JsonObject,
  service: string,
  options: CopyOptions,
  volumeFor: (recorded: string) => string,
  changes: string[],
): CopiedMounts {
  const asked = list(record(json['HostConfig'])['Mounts']).map(record);
  const mounts: JsonObject[] = [];
  const files: { hostPath: string; target: string }[] = [];
  for (const mount of list(json['Mounts']).map(record)) {
    const target = text(mount['Destination']);
    const readOnly = mount['RW'] === false;
    const inVolume = (recorded: string, isFilled: boolean): void => {
      const subpath = text(record(asked.find(({ Target }) => Target === target)?.['VolumeOptions'])['Subpath']);
      const volumeOptions = { NoCopy: isFilled, ...(subpath === '' ? {} : { Subpath: subpath }) };
      mounts.push({ Type: 'volume', Source: volumeFor(recorded), Target: target, ReadOnly: readOnly, VolumeOptions: volumeOptions });
    };
    const [type, name, source] = [text(mount['Type']), text(mount['Name']), text(mount['Source'])];
    if (type === 'volume' && name !== '') {
      inVolume(name, options.filledVolumes.has(name));
      if (!['', 'local'].includes(text(mount['Driver']))) changes.push(`volume ${name} of ${service} is a private local one`);
    } else if (type === 'bind' && options.filledFolders.has(source)) inVolume(source, true);
    else if (type === 'bind' && options.files.has(source)) files.push({ hostPath: source, target });
    else if (type === 'bind') changes.push(`${source} of the host, mounted at ${target} of ${service}, is left out`);
    else if (type === 'tmpfs' && !isShortTmpfs(json, target)) mounts.push({ Type: 'tmpfs', Target: target });
    else if (type !== 'tmpfs') changes.push(`the ${type || 'unknown'} mount ${target} of ${service} is left out`);
  }
  for (const one of asked) {
    const target = text(one['Target']);
    if (one['Type'] === 'tmpfs' && !mounts.some((mount) => mount['Target'] === target))
      mounts.push({ Type: 'tmpfs', Target: target, ...(one['TmpfsOptions'] === undefined ? {} : { TmpfsOptions: one['TmpfsOptions'] }) });
  }
  return { mounts, files };
}

/** Written as `tmpfs:` of the container, which the host part keeps. */
function isShortTmpfs(json: JsonObject, target: string): boolean {
  return record(record(json['HostConfig'])['Tmpfs'])[target] !== undefined;
}
