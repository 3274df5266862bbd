import { join, resolve } from 'node:path';
import { noteFile } from './loading.ts';
import type { Loading } from './loading.ts';
import { servicesOf } from './normalise.ts';
import { isRemoteContext } from './resolve-paths.ts';
import { entriesOf, entryOf, textOf } from './tree.ts';
import type { MapNode } from './tree.ts';

/** Notes the files that a complete model points at: configs, secrets, Dockerfiles with their ignore files. */
export function noteModelFiles(model: MapNode, loading: Loading): void {
  for (const [section, role] of [
    ['configs', 'config'],
    ['secrets', 'secret'],
  ] as const) {
    for (const [, { node }] of entriesOf(entryOf(model, section))) {
      const file = textOf(node, 'file');
      if (file !== undefined) noteFile(loading, file, role, true);
    }
  }
  for (const [, service] of servicesOf(model)) {
    const build = entryOf(service, 'build');
    const context = textOf(build, 'context');
    const dockerfile = textOf(build, 'dockerfile');
    if (context === undefined || isRemoteContext(context)) continue;
    noteFile(loading, join(context, '.dockerignore'), 'dockerfile', false);
    if (dockerfile === undefined) continue;
    const path = resolve(context, dockerfile);
    noteFile(loading, path, 'dockerfile', true);
    noteFile(loading, `${path}.dockerignore`, 'dockerfile', false);
  }
}
