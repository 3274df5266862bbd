import { probeScript, shellArguments } from '../stream/tree-commands.ts';
import { runProgram } from './run-program.ts';

const looked = new Map<string | undefined, Promise<GnuPrograms>>();

export interface GnuPrograms {
  /** What GNU tar calls itself; null where it, or another program that the scripts need, is missing or not GNU's. */
  readonly tarVersion: string | null;
  /** What was said about it. */
  readonly words: string;
}

/** Whether trees can be read and written by GNU's programs here. Looked up once for a PATH: a host's restore asks for each of its dozen places, twice. */
export function gnuPrograms(): Promise<GnuPrograms> {
  const path = process.env['PATH'];
  const known = looked.get(path);
  if (known !== undefined) return known;
  const found = look();
  looked.set(path, found);
  return found;
}

/** Not with the signal of who asks first: the others, a way back among them, ask too. */
async function look(): Promise<GnuPrograms> {
  const [program = 'sh', ...args] = shellArguments(probeScript());
  const answer = await runProgram(program, args, {}, new AbortController().signal);
  return { tarVersion: answer?.code === 0 ? answer.stdout : null, words: answer?.stderr.trim() ?? '' };
}
