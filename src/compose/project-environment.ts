import type { Lookup } from './interpolate-text.ts';

/** The variables of a project: those of the process first, then those of its `.env` files in order. */
export interface ProjectEnvironment {
  readonly lookup: Lookup;
  /** The same with more values for names that are not set yet; what is used of the process stays recorded together. */
  with(values: ReadonlyMap<string, string>): ProjectEnvironment;
  /** The same with one value that wins over everything. */
  withFixed(name: string, value: string): ProjectEnvironment;
  /** What was looked up and found in the process environment so far. */
  usedOfProcess(): ReadonlyMap<string, string>;
}

export function openEnvironment(processValues: Readonly<Record<string, string | undefined>>): ProjectEnvironment {
  const process = new Map<string, string>();
  for (const [name, value] of Object.entries(processValues)) if (value !== undefined) process.set(name, value);
  return layered(process, new Map(), new Map(), new Map());
}

function layered(
  process: ReadonlyMap<string, string>,
  fixed: ReadonlyMap<string, string>,
  added: ReadonlyMap<string, string>,
  used: Map<string, string>,
): ProjectEnvironment {
  return {
    lookup(name) {
      const set = fixed.get(name);
      if (set !== undefined) return set;
      const value = process.get(name);
      if (value === undefined) return added.get(name);
      used.set(name, value);
      return value;
    },
    with: (values) => layered(process, fixed, new Map([...values, ...added]), used),
    withFixed: (name, value) => layered(process, new Map([...fixed, [name, value]]), added, used),
    usedOfProcess: () => used,
  };
}
