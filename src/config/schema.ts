import { z } from 'zod';
import { DJANGO_PARTS } from '../domain/host.ts';
import { Secret } from '../domain/secret.ts';
import { parseDuration, parsePeriod } from './duration.ts';
import { parseRate } from './rate.ts';
import { PROGRESS_MODES, QUIESCE_MODES, STRATEGIES, TRANSPORTS } from './value-lists.ts';

/** The one schema of `mcads.yaml` and `x-mcads:`; labels are read into the shape of its services and volumes. */

const text = z.string({ error: 'must be text' }).min(1, 'must not be empty');
const globs = z.array(text, { error: 'must be a list of globs' });
const flag = z.boolean({ error: 'must be true or false' });
const count = z.int({ error: 'must be a whole number' }).min(1, 'must be 1 or more').max(100_000, 'must be 100000 or less');
/** How much the helper gets of what is contended for; 500 is as much as everybody else. */
const weight = z.int({ error: 'must be a whole number' }).min(10, 'must be 10 or more').max(1000, 'must be 1000 or less');
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

/** A duration as milliseconds; a bare number is seconds. */
const duration = z.union([z.string(), z.number()], { error: 'must be a duration such as 30s or 5m' }).transform((value, context) => {
  const parsed = parseDuration(String(value));
  if (parsed === null) context.addIssue({ code: 'custom', message: 'must be a duration such as 30s or 5m' });
  return parsed ?? z.NEVER;
});

/** An address that holds a token: never shown, not even in an error. */
const secretAddress = text.transform((value, context) => {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    context.addIssue({ code: 'custom', message: 'must be an address that begins with http:// or https://' });
    return z.NEVER;
  }
  return new Secret(value);
});

/** Bytes; `20M` is 20 MiB. */
const rate = z.union([z.string(), z.number()], { error: 'must be bytes a second such as 20M' }).transform((value, context) => {
  const parsed = parseRate(String(value));
  if (parsed === null) context.addIssue({ code: 'custom', message: 'must be bytes a second such as 20M, 64K or more' });
  return parsed ?? z.NEVER;
});

const period = z.string({ error: 'must be a period such as 30d or 1y6m' }).transform((value, context) => {
  const parsed = parsePeriod(value);
  if (parsed === null) context.addIssue({ code: 'custom', message: 'must be a period such as 30d or 1y6m' });
  return parsed ?? z.NEVER;
});

/** A list is an argument vector; text runs in the container's `sh -c`. */
const command = z
  .union([text, z.array(z.string()).min(1)], { error: 'must be a command: text for sh -c, or a list of arguments' })
  .transform((value): readonly string[] => (typeof value === 'string' ? ['sh', '-c', value] : value));

/** Claims about the restored copy, tried by drills. */
const assertion = {
  sql: text.optional(),
  database: text.optional(),
  expect: z
    .union([z.string(), z.number(), z.boolean()], { error: 'must be the answer as text' })
    .transform((value) => (typeof value === 'boolean' ? (value ? 't' : 'f') : String(value)))
    .optional(),
  http: z
    .string()
    .regex(/^https?:\/\//, 'must be an address such as http://localhost:8000/health')
    .optional(),
  status: z.int({ error: 'must be an HTTP status' }).min(100, 'must be an HTTP status').max(599, 'must be an HTTP status').optional(),
  contains: text.optional(),
  command: command.optional(),
};

const volume = z.strictObject(
  {
    enable: flag.optional(),
    exclude: globs.optional(),
    quiesce: oneOf(QUIESCE_MODES).optional(),
    consistency: oneOf(['crash']).optional(),
  },
  { error: 'must be a mapping of settings' },
);

const service = volume.extend({
  engine: text.optional(),
  postgres: z
    .strictObject(
      {
        user: text.optional(),
        passwordFile: text.optional(),
        port: z.int({ error: 'must be a port number' }).min(1, 'must be a port number').max(65_535, 'must be a port number').optional(),
        databases: z.array(text, { error: 'must be a list of database names' }).min(1, 'must name at least one database').optional(),
      },
      { error: 'must be a mapping of settings' },
    )
    .optional(),
  exec: z
    .strictObject(
      { before: command.optional(), after: command.optional(), timeout: duration.optional(), user: text.optional() },
      { error: 'must be a mapping of settings' },
    )
    .optional(),
  assert: z.strictObject(assertion, { error: 'must be a mapping with sql, http or command' }).optional(),
});

const keep = z.strictObject(
  {
    last: count.optional(),
    hourly: count.optional(),
    daily: count.optional(),
    weekly: count.optional(),
    monthly: count.optional(),
    yearly: count.optional(),
    within: period.optional(),
  },
  { error: 'must be a mapping such as {daily: 7, weekly: 4}' },
);

export const GLOBAL_SCHEMA = z.strictObject(
  {
    project: text.regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be a project name: lower-case letters, digits, - and _').optional(),
    repository: text.optional(),
    strategy: oneOf(STRATEGIES).optional(),
    context: text.optional(),
    keep: keep.optional(),
    files: globs.optional(),
    exclude: globs.optional(),
    images: oneOf(['none', 'local']).optional(),
    archive: flag.optional(),
    transport: oneOf(TRANSPORTS).optional(),
    helperImage: text.optional(),
    jobs: z.int({ error: 'must be a whole number' }).min(1, 'must be 1 or more').max(64, 'must be 64 or less').optional(),
    limitRate: rate.optional(),
    helperCpuWeight: weight.optional(),
    helperIoWeight: weight.optional(),
    quiesce: oneOf(QUIESCE_MODES).optional(),
    keepOld: duration.optional(),
    lockTimeout: duration.optional(),
    maxAge: duration.optional(),
    maxProofAge: duration.optional(),
    ping: secretAddress.optional(),
    logDir: text.optional(),
    progress: oneOf(PROGRESS_MODES).optional(),
    strict: flag.optional(),
  },
  { error: 'must be a mapping of settings' },
);

const place = z.union([text, z.literal(false)], { error: 'must be a path, or false to leave it out' });

/** The application on a host without Docker. */
const host = z.strictObject(
  {
    profile: oneOf(['django', 'generic']).optional(),
    paths: z
      .partialRecord(z.enum(DJANGO_PARTS, { error: `must be one of ${DJANGO_PARTS.join(', ')}` }), place, {
        error: 'must be a mapping of parts to paths',
      })
      .optional(),
    databases: z.array(text, { error: 'must be a list of paths' }).optional(),
    exclude: globs.optional(),
    services: z
      .array(text.regex(/^[A-Za-z0-9][A-Za-z0-9:_.@-]*$/, 'must be the name of a systemd unit'), {
        error: 'must be a list of systemd units',
      })
      .optional(),
    components: z
      .record(text.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be a name: letters, digits, . _ -'), text, {
        error: 'must be a mapping of names to paths',
      })
      .optional(),
  },
  { error: 'must be a mapping of settings' },
);

export const SERVICE_SCHEMA = service;
export const VOLUME_SCHEMA = volume;
export const FILE_SCHEMA = GLOBAL_SCHEMA.extend({
  services: z.record(z.string(), service, { error: 'must be a mapping of service names' }).optional(),
  volumes: z.record(z.string(), volume, { error: 'must be a mapping of volume keys' }).optional(),
  host: host.optional(),
  assertions: z
    .array(
      z
        .strictObject(
          { name: text.optional(), service: text, ...assertion },
          { error: 'must be a mapping with service and sql, http or command' },
        )
        .refine(({ sql, http, command: run }) => [sql, http, run].filter((one) => one !== undefined).length === 1, {
          error: 'must have exactly one of sql, http and command',
        }),
      { error: 'must be a list of assertions' },
    )
    .optional(),
});

export type GlobalInput = z.output<typeof GLOBAL_SCHEMA>;
export type ServiceInput = z.output<typeof SERVICE_SCHEMA>;
export type VolumeInput = z.output<typeof VOLUME_SCHEMA>;
export type FileInput = z.output<typeof FILE_SCHEMA>;
