import { expect, test } from 'vitest';
import { createProject, docker, testEngine, uniqueName } from '../support/engine.ts';
import { openTestEngine, readText, runContainer, signal } from './docker-fixture.ts';

test('a project is seen with its stopped containers, all volumes it mounts and who else uses them', async () => {
  const { images } = testEngine();
  const external = uniqueName('external');
  await docker(['volume', 'create', external]);
  await using project = await createProject({
    'compose.yaml': `
services:
  web:
    image: ${images.busybox}
    command: [sleep, '1000']
    network_mode: none
    init: true
    deploy: {replicas: 2}
    depends_on: {done: {condition: service_completed_successfully}}
    tmpfs: [/scratch]
    stop_grace_period: 1m
    volumes: [data:/data, outside:/outside, /anonymous, './web.conf:/etc/web.conf:ro']
  done:
    image: ${images.busybox}
    network_mode: none
    command: ['true']
networks: {default: {}}
volumes:
  data:
  outside: {external: true, name: ${external}}
`,
    'web.conf': 'x',
  });
  await project.compose(['up', '--detach']);
  await using foreign = await runContainer(['--volume', `${project.name}_data:/mnt`]);
  await using engine = await openTestEngine();
  const view = await engine.viewProject(project.name, signal);

  expect(view.containers.map(({ service, number, state }) => [service, number, state])).toEqual([
    ['done', 1, 'exited'],
    ['web', 1, 'running'],
    ['web', 2, 'running'],
  ]);
  const web = view.containers[1];
  expect(web).toMatchObject({
    project: project.name,
    oneOff: false,
    imageTags: expect.arrayContaining([images.busybox]) as string[],
    dependsOn: { done: { condition: 'service_completed_successfully', restart: false } },
    stopTimeoutSeconds: 60,
    tmpfs: ['/scratch'],
    command: ['sleep', '1000'],
  });
  expect(web?.mounts.map(({ type, target, readOnly }) => `${type} ${target} ${readOnly}`).sort()).toEqual([
    'bind /etc/web.conf true',
    'volume /anonymous false',
    'volume /data false',
    'volume /outside false',
  ]);
  expect(view.volumes.map(({ composeKey }) => composeKey).filter((key) => key !== null)).toEqual(['data']);
  expect(view.volumes.length).toBe(4);
  expect(view.volumes.map(({ name }) => name)).toContain(external);
  expect(view.foreignUsers).toEqual([{ volume: `${project.name}_data`, container: foreign.name, project: null, running: true }]);
  expect(view).toMatchObject({ workingDirectory: project.directory, configFiles: [`${project.directory}/compose.yaml`] });

  const summary = (await engine.listProjects(signal)).find(({ project: name }) => name === project.name);
  expect(summary).toEqual({ project: project.name, workingDirectory: project.directory, running: 2, containers: 3 });

  const state = await engine.state(view, signal);
  expect([state.containers.length, state.volumes.length, state.images.length]).toEqual([3, 4, 1]);
  expect(state.engine['version']).toMatchObject({ Version: engine.info.version });
  expect(state.containers[0]).toHaveProperty('HostConfig');
});

test('after down the volumes still tell of the project', async () => {
  await using project = await createProject({
    'compose.yaml': `services: {a: {image: ${testEngine().images.noshell}, network_mode: none, volumes: ['kept:/x']}}\nvolumes: {kept: }\n`,
  });
  await project.compose(['up', '--no-start']);
  await project.compose(['down']);
  await using engine = await openTestEngine();
  const view = await engine.viewProject(project.name, signal);
  expect(view.containers).toEqual([]);
  expect(view.volumes.map(({ name, composeKey }) => [name, composeKey])).toEqual([[`${project.name}_kept`, 'kept']]);
  expect((await engine.listProjects(signal)).find(({ project: name }) => name === project.name)).toMatchObject({
    running: 0,
    containers: 0,
  });
});

test('what Compose 1 wrote is understood, and nothing is known of a project that never was', async () => {
  const project = uniqueName();
  const label = (name: string, value: string): readonly string[] => ['--label', `com.docker.compose.${name}=${value}`];
  await using old = await runContainer([
    ...label('project', project),
    ...label('service', 'db'),
    ...label('container-number', '1'),
    ...label('oneoff', 'False'),
    ...label('config-hash', 'x'),
    ...label('project.working_dir', '/srv/app'),
    ...label('project.config_files', 'docker-compose.yml,../shared/override.yml'),
  ]);
  await using engine = await openTestEngine();
  const view = await engine.viewProject(project, signal);
  expect(view.containers.map(({ name }) => name)).toEqual([old.name]);
  expect(view.configFiles).toEqual(['/srv/app/docker-compose.yml', '/srv/shared/override.yml']);
  expect(await engine.viewProject(uniqueName(), signal)).toMatchObject({
    containers: [],
    volumes: [],
    networks: [],
    workingDirectory: null,
    configFiles: [],
  });
});

test('a container that has the project’s label only from a built image is none of its services', async () => {
  const project = uniqueName();
  const image = `${project}-built`;
  await using source = await runContainer();
  await docker(['commit', '--change', `LABEL com.docker.compose.project=${project}`, source.name, image]);
  const stranger = uniqueName();
  await docker(['create', '--name', stranger, image]);
  await using engine = await openTestEngine();
  expect((await engine.viewProject(project, signal)).containers).toEqual([]);
  const { stdout } = await engine.runThrowaway({ image, argv: ['echo', 'ok'], purpose: 'test' }, signal);
  expect((await engine.viewProject(project, signal)).containers).toEqual([]);
  expect(await readText(stdout)).toBe('ok\n');
});

test('images are looked up, saved whole, and volumes sized', async () => {
  const { images } = testEngine();
  await using engine = await openTestEngine();
  expect(await engine.inspectImage(images.busybox, signal)).toMatchObject({ tags: expect.arrayContaining([images.busybox]) as string[] });
  expect(await engine.inspectImage('no/such-image:1', signal)).toBeNull();
  const saved = engine.saveImage(images.noshell, signal);
  let bytes = 0;
  for await (const chunk of saved.body) bytes += chunk.length;
  await saved.done;
  expect(bytes % 512).toBe(0);
  const missing = engine.saveImage('no/such-image:1', signal);
  await expect(readText(missing.body)).rejects.toMatchObject({ code: 'engine-failed' });
  await expect(missing.done).rejects.toMatchObject({ code: 'engine-failed' });
  const volume = uniqueName('sized');
  await docker(['volume', 'create', volume]);
  expect((await engine.volumeSizes(signal)).get(volume)).toBe(0);
});
