import { realpath } from 'node:fs/promises';
import type { Finding, Uncovered } from '../domain/finding.ts';

/** What a package manager or the kernel puts there is no state of an application. */
const SYSTEM = /^\/(?:proc|sys|dev(?!\/shm)|run|bin|sbin|lib\w*|boot|usr(?!\/local))(?:\/|$)/;
/** More than this are counted. */
const MOST_LISTED = 20;

/** Symlinks in captured trees that lead to something which exists and is in no component: a link is stored, never what it leads to. */
export async function linksOutside(
  links: readonly { readonly path: string; readonly shown: string }[],
  isCaptured: (real: string) => boolean,
): Promise<readonly Uncovered[]> {
  const byTarget = new Map<string, string[]>();
  for (const { path, shown } of links) {
    const real = await realpath(path).catch(() => null);
    if (real !== null && !SYSTEM.test(real) && !isCaptured(real)) byTarget.set(real, [...(byTarget.get(real) ?? []), shown]);
  }
  const targets = [...byTarget].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const told = targets.slice(0, MOST_LISTED).map(([real, [first = '', ...others]]) => ({
    subject: others.length === 0 ? first : `${first} and ${others.length} more`,
    reason: `a link to ${real}, which is in no component: name it under \`host: components:\``,
  }));
  const rest = targets.length - told.length;
  return rest === 0 ? told : [...told, { subject: `links to ${rest} more places`, reason: 'these are in no component either' }];
}

export function configLinkFinding(path: string): Finding {
  return {
    severity: 'info',
    code: 'config-link',
    subject: path,
    message: `${path} is a link out of the application: what it leads to is stored in its place, and comes back as a file where the link is gone`,
  };
}
