import { servicesOf } from './normalise.ts';
import type { Problem } from './problems.ts';
import { entriesOf, entryOf, isNull, isText, isTrue, itemsOf, textOf } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

type Refuse = (where: TreeNode['where'], message: string) => void;

/** Whether the parts of a normalised model fit together, for one service: what it refers to exists, what excludes each other is not both there. */
export function checkService(model: MapNode, name: string, service: MapNode, problems: Problem[]): void {
  const refuse: Refuse = (where, message) => problems.push({ where, message: `service ${JSON.stringify(name)} ${message}` });
  const isDeclared = (section: string, key: string): boolean => entryOf(entryOf(model, section), key) !== undefined;

  if (isNull(entryOf(service, 'build')) && textOf(service, 'image') === undefined && isNull(entryOf(service, 'provider'))) {
    refuse(entryWhere(model, name) ?? service.where, 'has neither an image nor a build context');
  }
  checkBuild(model, service, refuse);
  const networkMode = entryOf(service, 'network_mode');
  const networks = entryOf(service, 'networks');
  if (isText(networkMode) && networkMode.value !== '' && networks?.kind === 'map' && networks.entries.size > 0) {
    refuse(networkMode.where, 'declares mutually exclusive network_mode and networks');
  }
  for (const [network, { where }] of entriesOf(networks)) {
    if (!isDeclared('networks', network)) refuse(where, `refers to undefined network ${network}`);
  }
  const test = itemsOf(entryOf(entryOf(service, 'healthcheck'), 'test'))[0];
  if (isText(test) && !['CMD', 'CMD-SHELL', 'NONE'].includes(test.value)) {
    refuse(test.where, 'has a healthcheck.test that does not start with CMD, CMD-SHELL or NONE');
  }
  for (const [dependency, { where }] of entriesOf(entryOf(service, 'depends_on'))) {
    if (!isDeclared('services', dependency)) refuse(where, `depends on undefined service ${JSON.stringify(dependency)}`);
  }
  for (const volume of itemsOf(entryOf(service, 'volumes'))) {
    const source = textOf(volume, 'source') ?? '';
    if (textOf(volume, 'type') === 'volume' && source !== '' && !isDeclared('volumes', source)) {
      refuse(volume.where, `refers to undefined volume ${source}`);
    }
  }
  const files = [
    ['secrets', 'secret', entryOf(service, 'secrets')],
    ['configs', 'config', entryOf(service, 'configs')],
    ['secrets', 'build secret', entryOf(entryOf(service, 'build'), 'secrets')],
  ] as const;
  for (const [section, what, list] of files) {
    for (const item of itemsOf(list)) {
      const source = textOf(item, 'source') ?? '';
      if (!isDeclared(section, source)) refuse(item.where, `refers to undefined ${what} ${source}`);
    }
  }
  checkScale(service, refuse);
  for (const watch of itemsOf(entryOf(entryOf(service, 'develop'), 'watch'))) {
    const action = textOf(watch, 'action') ?? '';
    if (textOf(watch, 'target') === undefined && !['rebuild', 'restart'].includes(action)) {
      refuse(watch.where, `has a develop.watch entry without a target, which ${action} needs`);
    }
  }
}

function entryWhere(model: MapNode, name: string): TreeNode['where'] | undefined {
  const services = entryOf(model, 'services');
  return services?.kind === 'map' ? services.entries.get(name)?.where : undefined;
}

function checkBuild(model: MapNode, service: MapNode, refuse: Refuse): void {
  const build = entryOf(service, 'build');
  if (build?.kind !== 'map') return;
  const inline = entryOf(build, 'dockerfile_inline');
  if (isText(inline) && isText(entryOf(build, 'dockerfile')))
    refuse(inline.where, 'declares mutually exclusive dockerfile and dockerfile_inline');
  for (const [, { node, where }] of entriesOf(entryOf(build, 'additional_contexts'))) {
    if (!isText(node) || !node.value.startsWith('service:')) continue;
    const target = entryOf(entryOf(model, 'services'), node.value.slice('service:'.length));
    if (target === undefined || isNull(entryOf(target, 'build')))
      refuse(where, `uses ${node.value} as a build context, which is no service with a build`);
  }
  const platform = entryOf(service, 'platform');
  const platforms = itemsOf(entryOf(build, 'platforms')).filter(isText);
  if (isText(platform) && platforms.length > 0 && !platforms.some(({ value }) => value === platform.value)) {
    refuse(platform.where, `has build.platforms without its platform ${platform.value}`);
  }
}

function checkScale(service: MapNode, refuse: Refuse): void {
  const scale = entryOf(service, 'scale');
  const replicas = entryOf(entryOf(service, 'deploy'), 'replicas');
  if (scale?.kind === 'scalar' && replicas?.kind === 'scalar' && Number(scale.value) !== Number(replicas.value)) {
    refuse(scale.where, 'sets distinct values on scale and deploy.replicas');
  }
  const count = scale ?? replicas;
  const name = entryOf(service, 'container_name');
  if (isText(name) && name.value !== '' && count?.kind === 'scalar' && Number(count.value) > 1) {
    refuse(name.where, 'sets container_name and more than one replica, but container names are unique');
  }
}

/** Rules on the project as a whole; services that are not started close no cycle. */
export function checkProject(model: MapNode, active: ReadonlySet<string>, problems: Problem[]): void {
  for (const [key, { node }] of entriesOf(entryOf(model, 'secrets'))) {
    if (isTrue(entryOf(node, 'external'))) continue;
    if (textOf(node, 'file') === undefined && textOf(node, 'environment') === undefined) {
      problems.push({ where: node.where, message: `secret ${JSON.stringify(key)} must declare either file or environment` });
    }
  }
  const cycle = findCycle(model, active);
  if (cycle !== undefined) problems.push(cycle);
}

function findCycle(model: MapNode, active: ReadonlySet<string>): Problem | undefined {
  const started = servicesOf(model).filter(([name]) => active.has(name));
  const edges = new Map(started.map(([name, service]) => [name, [...entriesOf(entryOf(service, 'depends_on'))]] as const));
  const done = new Set<string>();
  for (const start of edges.keys()) {
    const trail: { readonly name: string; next: number }[] = [{ name: start, next: 0 }];
    while (trail.length > 0) {
      const top = trail[trail.length - 1];
      if (top === undefined) break;
      const edge = done.has(top.name) ? undefined : edges.get(top.name)?.[top.next];
      if (edge === undefined) {
        done.add(top.name);
        trail.pop();
        continue;
      }
      top.next += 1;
      const [name, { where }] = edge;
      const index = trail.findIndex((step) => step.name === name);
      if (index !== -1) {
        const names = [...trail.slice(index).map((step) => step.name), name];
        return { where, message: `dependency cycle: ${names.join(' → ')}` };
      }
      trail.push({ name, next: 0 });
    }
  }
  return undefined;
}
