import { runProgram } from './run-program.ts';

/** Their names have to fit into the arguments of one program, however long they are. */
const AT_ONCE = 100;

/**
 * Those of these files that have an access list beside their mode: of such a one the mode's group bits are the mask, and say nothing of its group. By
 * GNU `ls`, which marks them with a `+`; where it is not, or names hold line ends, none are known. Never rejects but for the signal.
 */
export async function withAccessList(paths: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const plain = paths.filter((path) => path.startsWith('/') && !path.includes('\n'));
  for (let at = 0; at < plain.length; at += AT_ONCE) {
    const some = plain.slice(at, at + AT_ONCE);
    const shown = await runProgram('ls', ['-dlnLU', '--', ...some], {}, signal);
    const lines = shown?.stdout.split('\n').slice(0, -1) ?? [];
    if (lines.length !== some.length) continue; // one went meanwhile: which, nobody says
    for (const [index, path] of some.entries()) if (lines[index]?.[10] === '+') found.add(path);
  }
  return found;
}
