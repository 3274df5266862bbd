#!/usr/bin/env node
/**
 * The launcher. It must parse and speak under any Node that knows modules, so it imports nothing before it has looked at
 * the version, and keeps to old syntax.
 */
const oldestNode = 24;

function main() {
  const major = Number(process.versions.node.split('.')[0]);
  if (!(major >= oldestNode)) {
    process.stderr.write(
      'mcads-orchestrate needs Node.js ' + oldestNode + ' or newer; this is ' + process.versions.node + ' (' + process.execPath + ').\n',
    );
    process.exitCode = 2;
    return Promise.resolve();
  }
  const first = process.argv[2];
  if (first === '--version' || first === '-V') return printVersion();
  return start();
}

function readVersion() {
  return import('node:fs').then((fs) => {
    // our own package.json
    const about = JSON.parse(fs.readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
    return about.version;
  });
}

function printVersion() {
  return readVersion().then((version) => {
    process.stdout.write(version + '\n');
  });
}

function start() {
  return import('./launch.ts').then((launcher) => launcher.launch(readVersion));
}

main().catch((error: unknown) => {
  process.stderr.write((error instanceof Error ? error.stack : String(error)) + '\n');
  process.exitCode = 1;
});
