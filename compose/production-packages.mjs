// Copies the packages that the tool needs to run, and no other: node production-packages.mjs package-lock.json node_modules TARGET
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [lock, from, to] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync(lock, 'utf8'));
for (const [path, { dev, devOptional, optional }] of Object.entries(packages)) {
  // Packages inside packages come with theirs.
  const name = path.slice('node_modules/'.length);
  if (path === '' || dev === true || devOptional === true || name.includes('node_modules/')) continue;
  const source = join(from, name);
  if (!existsSync(source)) {
    if (optional === true) continue;
    throw new Error(`${name} is not installed: run npm ci`);
  }
  cpSync(source, join(to, name), { recursive: true, dereference: true });
}
