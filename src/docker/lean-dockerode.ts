import type Docker from 'dockerode';
import { createRequire } from 'node:module';

/** What dockerode loads for ssh:// endpoints (refused here), BuildKit sessions and build contexts (never made), by who asks for it. */
const UNUSED = {
  dockerode: ['@grpc/grpc-js', '@grpc/proto-loader', 'protobufjs', 'tar-fs', '@balena/dockerignore'],
  'docker-modem': ['ssh2'],
} as const;

/**
 * dockerode without the packages that nothing here calls: they are found loaded already, and empty. Decision: they are more than half of its weight (110 ms and
 * 36 MB of memory, 50 ms and 15 MB without them), in every command that talks to an engine. Where a version of dockerode no longer asks for them, nothing happens.
 */
export function loadDockerode(): typeof Docker {
  const own = createRequire(import.meta.url);
  const theirs = createRequire(own.resolve('dockerode'));
  const places: string[] = [];
  for (const [who, names] of Object.entries(UNUSED)) {
    const ask = who === 'dockerode' ? theirs : createRequire(theirs.resolve(who));
    for (const name of names) places.push(...placeOf(ask, name));
  }
  const free = places.filter((place) => own.cache[place] === undefined);
  for (const place of free) own.cache[place] = { ...EMPTY, id: place, filename: place };
  try {
    return own('dockerode') as typeof Docker; // as its types say
  } finally {
    // Whoever else asks for one of them gets the real one.
    for (const place of free) delete own.cache[place];
  }
}

const EMPTY = {
  exports: {},
  loaded: true,
  path: '',
  paths: [],
  children: [],
  parent: null,
  isPreloading: false,
  require: createRequire(import.meta.url),
};

/** Where it would be loaded from; nowhere where it is not installed. */
function placeOf(ask: NodeJS.Require, name: string): readonly string[] {
  try {
    return [ask.resolve(name)];
  } catch {
    return [];
  }
}
