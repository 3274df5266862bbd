import { beforeAll, describe, expect, test } from 'vitest';
import { loadCompose } from '../../src/compose/load-compose.ts';
import { McadsError } from '../../src/errors.ts';
import { composeCli } from '../support/compose-cli.ts';
import type { ComposeCli } from '../support/compose-cli.ts';
import { runCommand } from '../support/run-command.ts';
import type { CommandResult } from '../support/run-command.ts';
import { composeFixtures } from './compose-fixture.ts';
import type { ComposeFixture } from './compose-fixture.ts';

/**
 * The oracle: what we load is what `docker compose config` prints, and what we refuse it refuses.
 * Fixtures named `broken-…` are refused by both.
 */
let cli: ComposeCli;

beforeAll(async () => {
  cli = await composeCli();
});

const fixtures = composeFixtures();
const broken = fixtures.filter(({ name }) => name.startsWith('broken-'));
const sound = fixtures.filter(({ name }) => !name.startsWith('broken-'));

describe('a file that Compose loads gives the same document', () => {
  test.for(sound)('$name', async (fixture) => {
    const theirs = await composeConfig(fixture, ['--format', 'json']);
    expect(theirs.code, theirs.stderr).toBe(0);
    const model = await loadCompose(fixture.request);
    expect(withoutUnused(decode(JSON.stringify(model.document)))).toEqual(unescapeDollars(decode(theirs.stdout)));
  });
});

describe('a file that Compose refuses is refused with its place', () => {
  test.for(broken)('$name', async (fixture) => {
    const theirs = await composeConfig(fixture, ['--quiet']);
    expect(theirs.code, 'Compose accepts this file').not.toBe(0);
    const error = await loadCompose(fixture.request).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(McadsError);
    if (!(error instanceof McadsError)) return;
    expect(error.code).toBe('config');
    const relative = (text: string): string => text.replaceAll(`${fixture.directory}/`, '');
    await expect(`${relative(error.where ?? 'no place')}\n\n${relative(error.message)}\n`).toMatchFileSnapshot(
      `${fixture.directory}/refused.txt`,
    );
    expect(error.where).toMatch(/:\d+:\d+$/);
  });
});

test('there are enough cases to call it an oracle', () => {
  expect(sound.length).toBeGreaterThanOrEqual(45);
  expect(broken.length).toBeGreaterThanOrEqual(15);
});

function composeConfig(fixture: ComposeFixture, args: readonly string[]): Promise<CommandResult> {
  const cleared = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
  const inherited = { PATH: process.env['PATH'], DOCKER_CONFIG: process.env['DOCKER_CONFIG'] ?? `${process.env['HOME'] ?? ''}/.docker` };
  return runCommand(cli.program, [...cli.args, '--profile', '*', ...fixture.args, 'config', ...args], {
    cwd: fixture.directory,
    env: { ...cleared, ...inherited, ...cli.env, ...fixture.env },
    input: fixture.stdin,
    accept: 'any',
  });
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

function decode(json: string): Json {
  // What JSON.parse gives is by its definition of this type.
  return JSON.parse(json) as Json;
}

/** Difference 1: Compose doubles every dollar so that its output can be loaded again; our document holds the values. */
function unescapeDollars(value: Json): Json {
  if (typeof value === 'string') return value.replaceAll('$$', '$');
  if (Array.isArray(value)) return value.map(unescapeDollars);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.replaceAll('$$', '$'), unescapeDollars(item)]));
}

/** Difference 2: Compose 2.26 leaves out what no service uses (newer ones print it with --all-resources); we keep it, it may hold data. */
function withoutUnused(document: Json): Json {
  const record = (value: Json | undefined): { [key: string]: Json } =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  const items = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
  const services = Object.values(record(record(document)['services'])).map(record);
  const sources = (list: Json | undefined): string[] =>
    items(list).flatMap((item) => {
      const source = record(item)['source'];
      return typeof source === 'string' ? [source] : [];
    });
  const used: Readonly<Record<string, readonly string[]>> = {
    networks: services.flatMap((service) => Object.keys(record(service['networks']))),
    volumes: services.flatMap((service) => sources(items(service['volumes']).filter((mount) => record(mount)['type'] === 'volume'))),
    secrets: services.flatMap((service) => [...sources(service['secrets']), ...sources(record(service['build'])['secrets'])]),
    configs: services.flatMap((service) => sources(service['configs'])),
  };
  const result = record(document);
  for (const [section, names] of Object.entries(used)) {
    const kept = Object.entries(record(result[section])).filter(([name]) => names.includes(name));
    if (kept.length > 0) result[section] = Object.fromEntries(kept);
    else delete result[section];
  }
  return result;
}
