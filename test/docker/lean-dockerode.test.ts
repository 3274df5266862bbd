import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { loadDockerode } from '../../src/docker/lean-dockerode.ts';

const require = createRequire(import.meta.url);

test('dockerode comes without the packages that nothing calls, and leaves them to whoever does', () => {
  const Docker = loadDockerode();
  const modem = new Docker({ socketPath: '/nowhere' }).modem as { readonly dial: unknown }; // untyped
  expect(modem.dial).toBeTypeOf('function');
  const loaded = Object.keys(require.cache);
  expect(loaded.some((path) => path.includes('/node_modules/dockerode/'))).toBe(true);
  expect(loaded.filter((path) => /node_modules\/(?:ssh2|@grpc|protobufjs)\//.test(path))).toEqual([]);
  expect((require('tar-fs') as { readonly pack: unknown }).pack).toBeTypeOf('function');
  expect(loadDockerode()).toBe(Docker);
});
