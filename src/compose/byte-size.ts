const FACTORS = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
  ['t', 1024 ** 4],
  ['p', 1024 ** 5],
]);

/** Bytes of a size such as `512m` or `1.5 GiB`, always in steps of 1024; undefined where it is none. */
export function parseByteSize(value: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?[iI]?[bB]?$/.exec(value);
  if (found === null) return undefined;
  return Math.trunc(Number(found[1]) * (FACTORS.get((found[2] ?? '').toLowerCase()) ?? 1));
}
