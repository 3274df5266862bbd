import { expect, test } from 'vitest';
import { chooseStrategy, type StrategyFacts } from '../../src/pipeline/choose-strategy.ts';

const NOTHING: StrategyFacts = {
  wanted: 'auto',
  engine: 'answers',
  onEngine: false,
  hasComposeFiles: false,
  profile: null,
  hasHostSettings: false,
  newest: null,
};
const ABSENT = { engine: 'absent' } as const;
const HOST = { strategy: 'host', said: 'info' };
const LOUD = { strategy: 'host', said: 'loudly' };
const DOCKER = { strategy: 'docker', listsHost: false };
const BOTH = { strategy: 'docker', listsHost: true };
const refused = (why: string) => ({ strategy: null, why });

test.each<[string, Partial<StrategyFacts>, object]>([
  ['Docker is absent and a Django application is here', { ...ABSENT, profile: 'django' }, HOST],
  ['Docker is absent and any application is here', { ...ABSENT, profile: 'generic' }, HOST],
  ['Docker is absent, Compose files only', { ...ABSENT, profile: 'generic', hasComposeFiles: true }, HOST],
  ['Docker is absent and nothing is here', ABSENT, refused('nothing-found')],
  [
    'Docker is absent now, and the newest snapshot was made through it',
    { ...ABSENT, profile: 'django', newest: 'docker' },
    refused('never-falls-back'),
  ],
  ['Docker is absent and the newest snapshot is of the host', { ...ABSENT, profile: 'django', newest: 'host' }, HOST],
  ['the engine knows the project', { onEngine: true, hasComposeFiles: true }, DOCKER],
  ['the engine knows the project and host data lies beside it', { onEngine: true, profile: 'django' }, BOTH],
  ['the engine knows the project, and somebody wrote down what of the host belongs to it', { onEngine: true, hasHostSettings: true }, BOTH],
  ['an engine that knows nothing of it, a Django application', { profile: 'django' }, LOUD],
  ['an engine that knows nothing of it, a Django application with Compose files', { profile: 'django', hasComposeFiles: true }, LOUD],
  ['an engine that knows nothing of it, any other application', { profile: 'generic' }, LOUD],
  ['a Compose project that was never started', { hasComposeFiles: true, profile: 'generic' }, DOCKER],
  ['an engine that knows nothing of it any more, newest snapshot through Docker', { profile: 'django', newest: 'docker' }, BOTH],
  ['nothing at all', {}, refused('nothing-found')],
  ['--strategy docker without Docker', { ...ABSENT, wanted: 'docker', profile: 'django' }, refused('no-engine')],
  ['--strategy docker with host data', { wanted: 'docker', profile: 'django' }, BOTH],
  ['--strategy host although the engine knows the project', { wanted: 'host', onEngine: true, profile: 'generic', newest: 'docker' }, HOST],
  ['--strategy host where nothing is', { wanted: 'host' }, refused('nothing-found')],
])('%s', (_, facts, choice) => {
  expect(chooseStrategy({ ...NOTHING, ...facts })).toEqual(choice);
});
