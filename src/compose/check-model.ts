import { pathText } from './problems.ts';
import type { Problem } from './problems.ts';
import { report } from './shape.ts';
import { entriesOf, entryOf, hasEntry, isNull, isText, isTrue, itemsOf } from './tree.ts';
import type { TreeNode } from './tree.ts';

/** Rules on a canonical model that no single value breaks alone. */
export function checkModel(model: TreeNode, problems: Problem[]): void {
  for (const [key, { node }] of entriesOf(entryOf(model, 'volumes'))) checkExternal(node, ['volumes', key], problems);
  for (const [key, { node }] of entriesOf(entryOf(model, 'configs')))
    checkSource(node, ['configs', key], ['file', 'environment', 'content'], problems);
  for (const [key, { node }] of entriesOf(entryOf(model, 'secrets')))
    checkSource(node, ['secrets', key], ['file', 'environment'], problems);
  for (const [key, { node: service }] of entriesOf(entryOf(model, 'services'))) {
    for (const watch of itemsOf(entryOf(entryOf(service, 'develop'), 'watch'))) {
      const path = entryOf(watch, 'path');
      if (isText(path) && path.value === '') report(problems, path, ['services', key, 'develop', 'watch', 'path'], 'must not be blank');
    }
    const reservations = entryOf(entryOf(entryOf(service, 'deploy'), 'resources'), 'reservations');
    for (const request of [...itemsOf(entryOf(reservations, 'devices')), ...itemsOf(entryOf(service, 'gpus'))]) {
      if (request.kind === 'map' && hasEntry(request, 'count') && hasEntry(request, 'device_ids')) {
        report(problems, request, ['services', key], 'count and device_ids exclude each other');
      }
    }
  }
}

function checkExternal(node: TreeNode, path: readonly string[], problems: Problem[]): void {
  if (!isTrue(entryOf(node, 'external'))) return;
  for (const [key, { where }] of entriesOf(node)) {
    if (key === 'name' || key === 'external' || key.startsWith('x-')) continue;
    problems.push({ where, message: `${pathText(path)}: conflicting parameters "external" and ${JSON.stringify(key)}` });
  }
}

function checkSource(node: TreeNode, path: readonly string[], keys: readonly string[], problems: Problem[]): void {
  const given = keys.filter((key) => entryOf(node, key) !== undefined);
  if (given.length > 1) report(problems, node, path, `${given.join(' and ')} exclude each other`);
  if (given.length > 0 || entryOf(node, 'driver') !== undefined || entryOf(node, 'external') !== undefined) return;
  if (!isNull(node)) report(problems, node, path, `one of ${keys.join(', ')} must be set`);
}
