import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { ComposeRequest } from '../../src/compose/load-compose.ts';

/** How a fixture is loaded; `run.json` of its folder says what differs from a plain `docker compose config`. */
const runSchema = z.strictObject({
  /** Arguments of `docker compose`, before `config`. */
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  /** Where it runs, below the fixture's folder. */
  directory: z.string().default('.'),
  stdin: z.string().default(''),
});

export interface ComposeFixture {
  readonly name: string;
  readonly directory: string;
  readonly args: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
  readonly request: ComposeRequest;
}

const ROOT = fileURLToPath(new URL('./fixtures/', import.meta.url));
export const HOME = '/home/fixture';

export function composeFixtures(): readonly ComposeFixture[] {
  return readdirSync(ROOT).map((name) => composeFixture(name));
}

export function composeFixture(name: string): ComposeFixture {
  const folder = join(ROOT, name);
  const run = runSchema.parse(readdirSync(folder).includes('run.json') ? JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) : {});
  const directory = join(folder, run.directory);
  const env = { HOME, ...run.env };
  return {
    name,
    directory,
    args: run.args,
    stdin: run.stdin,
    env,
    request: {
      directory,
      files: valuesOf(run.args, '-f'),
      projectName: valuesOf(run.args, '-p')[0] ?? null,
      envFiles: valuesOf(run.args, '--env-file'),
      projectDirectory: valuesOf(run.args, '--project-directory')[0] ?? null,
      environment: env,
      profiles: ['*'],
      home: HOME,
      stdin: () => Promise.resolve(run.stdin),
    },
  };
}

function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((argument, index) => (argument === option ? [args[index + 1] ?? ''] : []));
}
