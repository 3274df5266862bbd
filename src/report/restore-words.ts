import { stripVTControlCharacters } from 'node:util';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { SnapshotProof } from '../domain/snapshot-summary.ts';
import { displayWidth, printable } from './escape.ts';
import { counted, humanAge } from './human.ts';
import type { Style } from './style.ts';

/** `3 days old`, `just made`. */
export function ageOf(then: Date, now: Date): string {
  const age = humanAge(then, now);
  return age === 'just now' ? 'just made' : age.replace(/ ago$/, ' old');
}

/** How long something is kept: `7 days`, `36 hours`, `90 seconds`. */
export function spanOf(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const units: readonly (readonly [number, string])[] = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ];
  const [length, unit] = units.find(([one]) => seconds >= one && seconds % one === 0) ?? [1, 'second'];
  return counted(seconds / length, unit);
}

/** The drill that proved a snapshot; null: none did. */
export type Proof = SnapshotProof | null;

export function proofText(proof: Proof, now: Date): string {
  if (proof === null) return 'never drilled';
  const level = proof.level === null ? 'no level' : `level ${proof.level}`;
  const age = humanAge(new Date(proof.at), now);
  return proof.failed === true ? `the drill ${age} FAILED behind ${level}` : `drilled at ${level}, ${age}`;
}

export function proofJson(proof: Proof): JsonObject | null {
  return proof === null ? null : { level: proof.level, at: proof.at, ok: proof.failed !== true };
}

/** Names from elsewhere, joined for one line. */
export function namesOf(names: readonly string[]): string {
  return names.map(printable).join(', ');
}

const LABEL_WIDTH = 16;
/** Below this many columns values stand under their labels. */
const NARROW = 50;

/** One labelled value; long ones go on below, indented. `text` must be printable already. */
export function field(label: string, text: string, style: Style): string {
  const indent = style.width < NARROW ? 2 : LABEL_WIDTH;
  const lines = wrapped(text, Math.max(20, style.width - indent - 1));
  const head = style.dim(label.padEnd(LABEL_WIDTH));
  if (style.width < NARROW) return [style.dim(label), ...lines.map((line) => `  ${line}`)].join('\n');
  return lines.map((line, index) => (index === 0 ? `${head}${line}` : `${' '.repeat(indent)}${line}`)).join('\n');
}

/** A sentence, in as many lines as it needs. `text` must be printable already. */
export function sentence(text: string, style: Style): string {
  return wrapped(text, Math.max(20, style.width - 1)).join('\n');
}

/** Words of text in lines of at most `width` columns (colours take none); a longer word has a line of its own. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && displayWidth(stripVTControlCharacters(longer)) > width) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
