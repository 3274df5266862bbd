import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import { GLOBAL_ROWS } from './global-rows.ts';
import type { Problem } from './setting.ts';
import { suggestionHint } from './suggest.ts';
import type { TextLayer } from './text-layer.ts';

/** Variables that are read elsewhere: which settings file to use. */
const OTHER_VARIABLES = ['MCADS_CONFIG', 'MCADS_PROJECT_DIRECTORY'];

export interface EnvironmentLayer extends TextLayer {
  readonly problems: readonly Problem[];
  /** Variables nobody knows: a warning each. */
  readonly unknown: readonly Problem[];
}

/** Reads `MCADS_*` of the process environment; each may also be given as `<name>_FILE`. An empty value counts as not set. */
export async function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Promise<EnvironmentLayer> {
  const values: Record<string, string> = {};
  const problems: Problem[] = [];
  const unknown: Problem[] = [];
  const known = [...GLOBAL_ROWS.map((row) => row.variable), ...OTHER_VARIABLES];
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('MCADS_') || variable.startsWith('MCADS_TEST_') || value === undefined || value === '') continue;
    if (OTHER_VARIABLES.includes(variable)) continue;
    const row = GLOBAL_ROWS.find((candidate) => candidate.variable === variable || `${candidate.variable}_FILE` === variable);
    if (row === undefined) {
      unknown.push({ where: variable, setting: variable, message: `unknown variable ${variable}`, hint: suggestionHint(variable, known) });
    } else if (row.variable === variable) {
      values[row.path.join('.')] = value;
    } else if ((environment[row.variable] ?? '') !== '') {
      problems.push({
        where: variable,
        setting: variable,
        message: `${row.variable} and ${variable} are both set`,
        hint: 'set only one of them',
      });
    } else {
      try {
        values[row.path.join('.')] = (await readFile(value, 'utf8')).replace(/\r?\n$/, '');
      } catch (error) {
        problems.push({
          where: variable,
          setting: variable,
          message: `the file that ${variable} names cannot be read: ${messageOf(error)}`,
        });
      }
    }
  }
  return { kind: 'environment', values, whereOf: (row) => row.variable, problems, unknown };
}
