import type { CommandOptions } from './command-options.ts';
import { GLOBAL_OPTIONS } from './global-options.ts';

/** The global options that a command line was given, as words for another one. */
export function givenGlobals(options: CommandOptions): readonly string[] {
  return GLOBAL_OPTIONS.flatMap(({ flags }) => {
    const long = /--[\w-]+/.exec(flags)?.[0] ?? '';
    // The opposite of an option is named without its `no-`, and true unless it was given.
    if (long.startsWith('--no-')) return options.flag(camelCase(long.slice('--no-'.length))) ? [] : [long];
    const name = camelCase(long.slice(2));
    if (!flags.includes('<')) return options.flag(name) ? [long] : [];
    const text = options.text(name);
    return [...(text === null ? [] : [text]), ...options.list(name)].map((value) => `${long}=${value}`);
  });
}

function camelCase(words: string): string {
  return words.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
