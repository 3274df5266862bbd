/**
 * The layers of the tool: what each folder below `src` may import from its neighbours, and which packages are its own.
 * The comment of a rule is for the person who has just broken it.
 */
const layers = {
  domain: [],
  compose: ['domain'],
  config: ['domain', 'compose'],
  stream: ['domain'],
  docker: ['domain', 'stream'],
  host: ['domain', 'stream'],
  databases: ['domain', 'stream'],
  repository: ['domain', 'stream'],
  pipeline: ['domain', 'stream'],
  report: ['domain'],
  cli: ['pipeline', 'report', 'config', 'domain'],
  sidecar: ['pipeline', 'report', 'config', 'domain'],
};

const advice = {
  domain: 'The domain is types and pure functions that every layer trusts; let the layer that knows more import the domain instead.',
  compose: 'src/compose turns files into a model and knows nothing of engines, settings or stages; hand it what it needs as an argument.',
  config: 'Settings are read from files, labels and flags and nothing else; whoever needs the rest of the tool belongs above them.',
  stream: 'Streams are building blocks below every runtime and store; move what is special to one of those into its folder.',
  docker: 'src/docker is one runtime behind a port; what two runtimes share belongs to the domain or to src/stream.',
  host: 'src/host is one runtime behind a port; what two runtimes share belongs to the domain or to src/stream.',
  databases: 'An adapter speaks to its database through the exec port that it is given, so that it works in a container and on a host.',
  repository: 'A repository stores bytes and never asks where they came from; pass facts in through the domain types.',
  pipeline: 'The stages see ports, never an adapter, runtime or store; take the port as an argument and wire it in src/wiring.ts.',
  report: 'Reports turn events and outcomes into text and nothing else; put the fact you need into the event.',
  cli: 'The command line calls stages and reports; runtimes, stores and adapters reach it through the composition root only.',
  sidecar: 'The sidecar wraps the same pipeline as the command line; runtimes, stores and adapters reach it through the composition root.',
};

/** Packages and the only places that may import them. */
const owners = [
  {
    name: 'dockerode',
    packages: 'dockerode',
    owner: '^src/docker/',
    why: 'Only src/docker knows the Engine API; everyone else uses its port.',
  },
  {
    name: 'yaml',
    packages: 'yaml',
    owner: '^src/compose/',
    why: 'Only src/compose parses YAML; ask it for the located tree or the model.',
  },
  {
    name: 'zod',
    packages: 'zod',
    owner: '^src/config/',
    why: 'Only src/config validates settings; foreign JSON elsewhere gets a small parse function.',
  },
  {
    name: 'p-queue',
    packages: 'p-queue',
    owner: '^src/pipeline/',
    why: 'Concurrency is decided in the pipeline alone, so that its limit holds.',
  },
  {
    name: 'tar-fs',
    packages: 'tar-fs',
    owner: '^src/host/',
    why: 'Only the host runtime packs folders itself; in containers GNU tar does.',
  },
  {
    name: 'pg',
    packages: 'pg',
    owner: '^src/host/',
    why: 'Only the host strategy talks to PostgreSQL over a socket of its own; elsewhere psql runs beside the server.',
  },
  {
    name: 'picocolors',
    packages: 'picocolors',
    owner: '^src/(report|cli)/',
    why: 'Colour is a matter of reports; other layers hand out data.',
  },
  { name: 'commander', packages: 'commander', owner: '^src/cli/', why: 'Arguments are read in src/cli; other layers take typed requests.' },
  {
    name: 'prompts',
    packages: '@clack/[^/]+',
    owner: '^src/cli/',
    why: 'Only the command line asks people; other layers take the answer as an option.',
  },
  {
    name: 'pino',
    packages: 'pino',
    owner: '^src/logger\\.ts$',
    why: 'Logging is an event subscriber made in src/logger.ts; layers report events.',
  },
  { name: 'croner', packages: 'croner', owner: '^src/sidecar/', why: 'Schedules belong to the sidecar.' },
];

const layerRules = Object.entries(layers).map(([layer, allowed]) => ({
  name: `layer-${layer}`,
  severity: 'error',
  comment: advice[layer],
  from: { path: `^src/${layer}/` },
  to: { path: '^src/', pathNot: `^src/((${[layer, ...allowed].join('|')})/|errors\\.ts$)` },
}));

const ownerRules = owners.map(({ name, packages, owner, why }) => ({
  name: `owner-${name}`,
  severity: 'error',
  comment: why,
  from: { path: '^src/', pathNot: owner },
  to: { path: `(^|node_modules/)(@types/)?${packages}(/|$)`, dependencyTypesNot: ['local'] },
}));

export default {
  forbidden: [
    ...layerRules,
    ...ownerRules,
    {
      name: 'domain-is-pure',
      severity: 'error',
      comment:
        'The domain imports nothing but src/errors.ts, not even node: modules, so that its rules can be read and tested without a machine.',
      from: { path: '^src/(domain/|errors\\.ts$)' },
      to: { dependencyTypesNot: ['local'] },
    },
    {
      name: 'no-side-doors',
      severity: 'error',
      comment:
        'Stages, adapters and reports reach files, processes and networks through ports; a direct import would work on one runtime only.',
      from: { path: '^src/(pipeline|databases|report)/' },
      to: { dependencyTypes: ['core'], path: '^(node:)?(fs|fs/promises|child_process|net|http|https|dgram|worker_threads)$' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'These files need each other to be understood; move what they share into a third file that both import.',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'no-development-packages',
      severity: 'error',
      comment: 'The installed tool has no devDependencies; move the package to dependencies if the tool itself needs it.',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'], pathNot: 'node_modules/@types/' },
    },
    {
      name: 'no-tests-in-source',
      severity: 'error',
      comment: 'What the tool runs may not depend on the tests; move the shared part into src.',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'This import names a file or package that does not exist.',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // Types count: a layer that needs another one only for its types depends on it all the same.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'default', 'types'] },
    reporterOptions: { text: { highlightFocused: true } },
  },
};
