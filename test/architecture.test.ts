import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand } from './support/run-command.ts';

const root = join(import.meta.dirname, '..');

/** Files that break one rule each, and what their author is told. */
const planted = [
  {
    rule: 'layer-pipeline',
    file: 'src/pipeline/planted.ts',
    source: "import { findEngine } from '../docker/planted-port.ts';\nvoid findEngine;\n",
    advice: 'The stages see ports, never an adapter, runtime or store',
  },
  {
    rule: 'layer-domain',
    file: 'src/domain/planted-types.ts',
    source: "import type { Rendered } from '../report/planted.ts';\nexport type Copy = Rendered;\n",
    advice: 'let the layer that knows more import the domain instead',
  },
  {
    rule: 'domain-is-pure',
    file: 'src/domain/planted.ts',
    source: "import { readFileSync } from 'node:fs';\nvoid readFileSync;\n",
    advice: 'The domain imports nothing but src/errors.ts, not even node: modules',
  },
  {
    rule: 'owner-dockerode',
    file: 'src/host/planted.ts',
    source: "import Docker from 'dockerode';\nvoid Docker;\n",
    advice: 'Only src/docker knows the Engine API',
  },
  {
    rule: 'owner-zod',
    file: 'src/compose/planted.ts',
    source: "import type { ZodType } from 'zod';\nexport type Copy = ZodType;\n",
    advice: 'Only src/config validates settings',
  },
  {
    rule: 'owner-pino',
    file: 'src/cli/planted.ts',
    source: "import { pino } from 'pino';\nvoid pino;\n",
    advice: 'Logging is an event subscriber made in src/logger.ts',
  },
  {
    rule: 'no-side-doors',
    file: 'src/report/planted.ts',
    source: "import { writeFileSync } from 'node:fs';\nvoid writeFileSync;\nexport type Rendered = string;\n",
    advice: 'reach files, processes and networks through ports',
  },
  {
    rule: 'no-cycles',
    file: 'src/stream/planted-one.ts',
    source: "import { two } from './planted-two.ts';\nexport const one = (): number => two();\n",
    advice: 'move what they share into a third file that both import',
  },
  {
    rule: 'no-development-packages',
    file: 'src/config/planted.ts',
    source: "import fc from 'fast-check';\nvoid fc;\n",
    advice: 'The installed tool has no devDependencies',
  },
] as const;

/** What the planted files need to be whole. */
const innocent = {
  'src/docker/planted-port.ts': 'export const findEngine = 1;\n',
  'src/stream/planted-two.ts': "import { one } from './planted-one.ts';\nexport const two = (): number => one();\n",
};

let copy: string;
let said: string;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'mcads-architecture-'));
  for (const name of ['src', '.ci', '.dependency-cruiser.mjs', 'package.json', 'tsconfig.json']) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const { file, source } of planted) await writeFile(join(copy, file), source);
  for (const [file, source] of Object.entries(innocent)) await writeFile(join(copy, file), source);
  const { code, stdout } = await runCommand('npm', ['run', '--silent', 'check:layers'], { cwd: copy, accept: 'any' });
  expect(code).not.toBe(0);
  said = stdout;
});

afterAll(async () => rm(copy, { recursive: true, force: true }));

test.each(planted)('whoever breaks $rule is stopped and told why', ({ rule, file, advice }) => {
  const [, told = ''] = said.split(`error ${rule}: ${file} `);
  expect(told, said).not.toBe('');
  expect(told.replaceAll(/\s+/g, ' ').slice(0, 600)).toContain(advice);
});

test('every rule explains itself', async () => {
  const { forbidden } = ((await import(join(root, '.dependency-cruiser.mjs'))) as { default: { forbidden: { comment?: string }[] } })
    .default;
  for (const { comment = '' } of forbidden) expect(comment).toMatch(/^\S+( \S+){3,}\.$/);
});

test('the design of the layers names every folder of the source', async () => {
  const rules = await readFile(join(root, '.dependency-cruiser.mjs'), 'utf8');
  const { stdout } = await runCommand('find', ['src', '-mindepth', '1', '-maxdepth', '1', '-type', 'd', '-printf', '%f\\n'], { cwd: root });
  for (const folder of stdout.trim().split('\n')) expect(rules).toContain(`  ${folder}: [`);
});
