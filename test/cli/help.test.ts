import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import type { CommandSpec } from '../../src/cli/command-spec.ts';
import { EXIT_MEANINGS } from '../../src/cli/exit-codes.ts';
import { GLOBAL_OPTIONS } from '../../src/cli/global-options.ts';
import { parseCommandLine } from '../../src/cli/program.ts';

const ALL: readonly (readonly [words: readonly string[], spec: CommandSpec])[] = COMMANDS.flatMap((spec) => [
  [[spec.name], spec] as const,
  ...(spec.children ?? []).map((child) => [[spec.name, child.name], child] as const),
]);

async function helpOf(words: readonly string[]): Promise<string> {
  const parsed = await parseCommandLine([...words, '--help'], '9.9.9');
  if (parsed.kind !== 'text') throw new Error('no help');
  return parsed.text;
}

describe.each(ALL.map(([words, spec]) => ({ name: words.join(' '), words, spec })))('help of $name', ({ words, spec, name }) => {
  test('shows synopsis, options, two examples and exit codes', async () => {
    const help = await helpOf(words);
    expect(help).toContain(`Usage: mcads-orchestrate ${[spec.name, ...(spec.aliases ?? [])].length > 1 ? spec.name : name}`);
    for (const option of [...(spec.options ?? []), ...GLOBAL_OPTIONS]) expect(help).toContain(option.flags);
    expect(spec.examples.length).toBeGreaterThanOrEqual(2);
    for (const example of spec.examples) expect(help).toContain(`\n  ${example.command}`);
    for (const code of spec.exits) expect(help).toContain(`${String(code).padStart(5)}  ${EXIT_MEANINGS[code]}`);
  });

  test('its examples parse', async () => {
    for (const { command } of spec.examples) {
      const argv =
        command
          .split(/ [|>] /)[0]
          ?.split(' ')
          .slice(1)
          .map((word) => word.replaceAll("'", '')) ?? [];
      expect((await parseCommandLine(argv, '9.9.9')).kind).toBe('command');
    }
  });
});

test('the first page lists every command', async () => {
  const help = await helpOf([]);
  for (const spec of COMMANDS) expect(help).toMatch(new RegExp(`^  ${[spec.name, ...(spec.aliases ?? [])].join('\\|')}\\b.*`, 'm'));
});

test('every command can be loaded', async () => {
  const loaded = await Promise.all(ALL.map(async ([, spec]) => (await spec.load?.()) ?? spec.children));
  for (const one of loaded) expect(one).toBeTypeOf(Array.isArray(one) ? 'object' : 'function');
});

test('global options may stand before or after the command, and -f may be repeated', async () => {
  const before = await parseCommandLine(['-f', 'a', '--json', 'backup', 'db'], '9.9.9');
  const after = await parseCommandLine(['backup', 'db', '--json', '-f', 'a', '-f', 'b'], '9.9.9');
  expect(before).toMatchObject({ name: 'backup', args: [['db']], options: { file: ['a'], json: true } });
  expect(after).toMatchObject({ name: 'backup', args: [['db']], options: { file: ['a', 'b'], json: true } });
});

test.each([
  ['check', 'verify'],
  ['ls', 'list'],
  ['snapshots', 'list'],
  ['forget', 'prune'],
])('%s is %s', async (alias, name) => {
  expect(await parseCommandLine([alias], '9.9.9')).toMatchObject({ name });
});
