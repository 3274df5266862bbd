import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Uncovered } from '../domain/finding.ts';

/** Links to what every machine has, or what a package brought, hold nothing of the application's own. */
const SYSTEM = /^\/(?:usr|lib|lib32|lib64|bin|sbin|etc|proc|sys|dev(?!\/shm\/)|run|boot|nix|snap)(?:\/|$)/;
const MOST_TOLD = 20;

/**
 * Symbolic links below the directory to something that exists, lies outside of it and is in no component: only the link itself is stored.
 * `links` are relative, `covered` what components hold, folders with everything below.
 */
export async function linksOut(directory: string, links: readonly string[], covered: readonly string[]): Promise<readonly Uncovered[]> {
  const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
  const told: Uncovered[] = [];
  let more = 0;
  for (const link of links.toSorted()) {
    const target = await realpath(join(directory, link)).catch(() => null);
    if (target === null || SYSTEM.test(target) || [directory, ...covered].some((folder) => isBelow(target, folder))) continue;
    if (told.length < MOST_TOLD)
      told.push({ subject: link, reason: `a symbolic link to ${target}, which is in no component: name it under \`host: components:\`` });
    else more += 1;
  }
  return more === 0 ? told : [...told, { subject: `${more} more symbolic links`, reason: 'what they lead to is in no component' }];
}
