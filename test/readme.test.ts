import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { OptionSpec } from '../src/cli/command-facts.ts';
import { COMMANDS } from '../src/cli/command-table.ts';
import { ALL_EXITS } from '../src/cli/exit-codes.ts';
import { GLOBAL_OPTIONS, KEEP_OPTIONS } from '../src/cli/global-options.ts';
import { parseCommandLine } from '../src/cli/program.ts';
import { GLOBAL_ROWS } from '../src/config/global-rows.ts';
import { LABELS } from '../src/config/labels.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const README = await readFile(join(ROOT, 'README.md'), 'utf8');
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  'compose/examples/mcads/README.md',
  'compose/examples/mcads-host/README.md',
  'test/support/README.md',
];

/** Cells of the table whose header row begins with this word. */
function tableOf(header: string): readonly (readonly string[])[] {
  const lines = README.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header}`));
  if (start === -1) throw new Error(`no table ${header}`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  );
}

/** Everything between backticks. */
function codesOf(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** A `## ` or `### ` chapter without its heading. */
function chapter(title: string): string {
  const [, text] = README.split(`# ${title}\n`);
  if (text === undefined) throw new Error(`no chapter ${title}`);
  return text.split(/^##+ /m)[0] ?? '';
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function longName(option: OptionSpec): string {
  return /--[\w-]+/.exec(option.flags)?.[0] ?? option.flags;
}

describe('commands', () => {
  const rows = tableOf('command').map(([cell = '']) => codesOf(cell));

  test('the table lists each with its aliases and no other', () => {
    const listed = rows.map((codes) => codes.map((code) => code.split(' ')[0] ?? '').toSorted(byText));
    expect(listed).toEqual(
      sorted(
        rows,
        COMMANDS.map((spec) => [spec.name, ...(spec.aliases ?? [])].toSorted(byText)),
      ),
    );
    expect(rows).toHaveLength(COMMANDS.length);
  });

  test('subcommands and arguments are those of the code', () => {
    for (const spec of COMMANDS) {
      const synopsis = rows.find(([code = '']) => code.split(' ')[0] === spec.name)?.[0] ?? '';
      for (const child of spec.children ?? []) expect(synopsis).toMatch(new RegExp(`[ |]${child.name}\\b`));
      const required = (spec.args ?? []).filter(({ syntax, choices }) => syntax.startsWith('<') && choices === undefined).length;
      expect(synopsis.match(/ (?:SNAPSHOT|FILE)/g)?.length ?? 0, synopsis).toBeGreaterThanOrEqual(required);
    }
  });

  const lines = [...README.matchAll(/```sh\n([^`]*)```/g)]
    .flatMap(([, block = '']) => block.split(/\n|&&/))
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => /(?:^|\s)mcads-orchestrate\s/.test(line));

  test.each(lines)('%s can be parsed', async (line) => {
    const words = (line.split(/ [|>] /)[0] ?? '').split(/\s+/);
    const argv = words.slice(words.indexOf('mcads-orchestrate') + 1).map((word) => word.replaceAll("'", ''));
    expect((await parseCommandLine(argv, '9.9.9')).kind).toBe('command');
  });
});

/** Puts what the code says into the order of the document: that they are the same set is what counts. */
function sorted(order: readonly (readonly string[])[], found: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const positionOf = (names: readonly string[]): number => order.findIndex(([code = '']) => names.includes(code.split(' ')[0] ?? ''));
  return found.toSorted((a, b) => positionOf(a) - positionOf(b));
}

describe('options', () => {
  const rows = tableOf('option');

  test('the table lists every global one and no other', () => {
    const named = rows.flatMap(([cell = '']) => codesOf(cell)).flatMap((code) => code.match(/(?:^|\s)--?[\w-]+/g) ?? []);
    const known = GLOBAL_OPTIONS.flatMap((option) => option.flags.match(/(?:^|\s)--?[\w-]+/g) ?? []).map((flag) => flag.trim());
    for (const flag of named) expect(known).toContain(flag.trim());
    for (const option of GLOBAL_OPTIONS) {
      const flags = option.flags.split(/[, ]+/).filter((word) => word.startsWith('-'));
      expect(
        flags.some((flag) => named.some((one) => one.trim() === flag)),
        option.flags,
      ).toBe(true);
    }
  });

  test('every choice is listed', () => {
    const text = chapter('Options').replaceAll('\\|', '|');
    const specs = [...GLOBAL_OPTIONS, ...COMMANDS.flatMap((spec) => spec.options ?? [])];
    for (const option of specs) {
      if (option.choices === undefined || longName(option) === '--transport') continue; // which have a chapter
      expect(text).toContain(`${longName(option)} ${option.choices.join('|')}`);
    }
  });

  test('every option of a single command is named, and no option that does not exist', () => {
    const text = chapter('Options');
    const own = COMMANDS.flatMap((spec) => [spec, ...(spec.children ?? [])]).flatMap((spec) => spec.options ?? []);
    const keep = KEEP_OPTIONS.map(longName);
    for (const option of own.map(longName)) {
      expect(
        keep.includes(option) ? text.includes(`|${option.slice('--keep-'.length)}`) || text.includes(option) : text.includes(option),
        option,
      ).toBe(true);
    }
    const real = new Set([...GLOBAL_OPTIONS, ...own].map(longName));
    for (const [flag] of text.matchAll(/--[a-z][\w-]*/g)) expect(real).toContain(flag);
  });
});

describe('settings', () => {
  test('the table lists every label, with those that volumes may bear marked', () => {
    const listed = tableOf('label').flatMap(([cell = '']) => {
      const codes = codesOf(cell);
      const [first = ''] = codes;
      const base = first.replace(/\.[^.]+$/, '');
      return codes.map((code) => [code.startsWith('.') ? base + code : code, cell.endsWith('*')] as const);
    });
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(Object.entries(LABELS).map(([label, { volumes }]) => [label, volumes])));
  });

  test('every key is named', () => {
    const text = chapter('Settings');
    for (const { path } of GLOBAL_ROWS) expect(text).toMatch(new RegExp(`(?:^|[\\s\`{,])${path[0] ?? ''}(?:[\`:])`, 'm'));
  });

  test('every variable that is named exists', () => {
    const real = [...GLOBAL_ROWS.flatMap(({ variable }) => [variable, `${variable}_FILE`]), 'MCADS_TEST_ENGINE'];
    for (const [variable] of README.matchAll(/MCADS_[A-Z_]*[A-Z]/g)) expect(real).toContain(variable);
  });
});

test('the table of exit codes lists each that this version can end with', () => {
  const listed = tableOf('exit').flatMap(([cell = '']) => cell.split('/').map((code) => Number(code)));
  const possible = [...new Set(COMMANDS.flatMap((spec) => [spec, ...(spec.children ?? [])]).flatMap((spec) => spec.exits))];
  expect(listed.toSorted((a, b) => a - b)).toEqual(possible.toSorted((a, b) => a - b));
  expect(ALL_EXITS).toEqual(expect.arrayContaining(listed));
});

test('the crontab line names five times, and the absolute paths of Node and of the program', () => {
  const line = /```crontab\n(.*)\n```/.exec(README)?.[1] ?? '';
  const [minute, hour, day, month, weekday, ...command] = line.split(/\s+/);
  for (const field of [minute, hour, day, month, weekday]) expect(field).toMatch(/^(?:\*|\d+)$/);
  expect(command.join(' ')).toMatch(/^cd \/\S+ && \/\S+\/node \/\S+\/mcads-orchestrate backup /);
  expect(command.join(' ')).not.toContain('%'); // cron's line end
});

describe.each(DOCUMENTS)('%s', (name) => {
  test('names only files that exist', async () => {
    const text = await readFile(join(ROOT, name), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, link = '']) => link);
    for (const link of links) expect(existsSync(join(ROOT, dirname(name), link)), link).toBe(true);
    const paths = codesOf(text).flatMap((code) => code.match(/(?<![\w/.$~-])(?:compose|test|src)\/[\w./-]+/g) ?? []);
    for (const path of paths) expect(existsSync(join(ROOT, path)), path).toBe(true);
  });

  test('names no registry and no path of one machine', async () => {
    const text = await readFile(join(ROOT, name), 'utf8');
    expect(text).not.toMatch(/registry\.[a-z]|npmjs|docker\.io\/|ghcr\.io|quay\.io|\/work\/|\/tmp\/|\/home\/|\/root\//);
  });
});

test('npm scripts that the README names exist', async () => {
  // our own package.json
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  for (const [, script = ''] of README.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(script);
});
