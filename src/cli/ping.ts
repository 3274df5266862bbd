import type { Config } from '../config/config.ts';
import type { Origin } from '../config/setting.ts';
import type { Finding } from '../domain/finding.ts';
import type { Secret } from '../domain/secret.ts';
import type { ExitCode } from './exit-codes.ts';

/** How long an answer may take; a run waits for it at its very end. */
const TIME_LIMIT_MS = 10_000;

/** A warning that never changes an exit code, not even under --strict. */
export const PING_FAILED = 'ping-failed';

/** Tells a dead man's switch how a run goes. */
export interface Pinger {
  /** Success for exit 0, failure for anything else. Resolves with a warning for every call that was not taken; never rejects. */
  end(exitCode: ExitCode): Promise<readonly Finding[]>;
}

/**
 * Where a command's pings may come from. Decision: an address in the settings is that of the nightly backup; a restore by hand must not report to
 * it, or the monitor would take it for one.
 */
const SOURCES: Readonly<Record<string, readonly Origin['kind'][]>> = {
  backup: ['flag', 'environment', 'x-mcads', 'file'],
  drill: ['flag', 'environment'],
  restore: ['flag'],
};

/** The address that this command reports to, if any. */
export function pingAddress(command: string, { settings, origins }: Pick<Config, 'settings' | 'origins'>): Secret | null {
  const origin = origins['ping'];
  return origin !== undefined && SOURCES[command]?.includes(origin.kind) === true ? settings.ping : null;
}

/** Calls `<address>/start` at once; the end calls `<address>` or `<address>/fail`. Neither delays or stops the run. */
export function startPings(address: Secret, timeLimitMs: number = TIME_LIMIT_MS): Pinger {
  const started = call(address, 'start', timeLimitMs);
  return {
    end: async (exitCode) => {
      const first = await started; // in order
      const last = await call(address, exitCode === 0 ? 'success' : 'fail', timeLimitMs);
      return [first, last].filter((finding) => finding !== null);
    },
  };
}

async function call(address: Secret, what: 'start' | 'success' | 'fail', timeLimitMs: number): Promise<Finding | null> {
  const url = new URL(address.reveal());
  if (what !== 'success') url.pathname = `${url.pathname.replace(/\/+$/, '')}/${what}`;
  const headers = new Headers({ 'User-Agent': 'mcads-orchestrate' });
  if (url.username !== '' || url.password !== '') {
    const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.set('Authorization', `Basic ${Buffer.from(login).toString('base64')}`);
    url.username = '';
    url.password = '';
  }
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeLimitMs) });
    await response.body?.cancel();
    return response.ok ? null : failed(what, `HTTP ${response.status}`);
  } catch (error) {
    return failed(what, reasonOf(error, timeLimitMs));
  }
}

/** Never the error's own words: they may hold the address, and that its token. */
function reasonOf(error: unknown, timeLimitMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeLimitMs / 1000} s`;
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : null;
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  return typeof code === 'string' ? code : 'no connection';
}

function failed(what: string, reason: string): Finding {
  return {
    severity: 'warning',
    code: PING_FAILED,
    subject: `ping ${what}`,
    message: `the monitor was not told: ${reason}`,
    hint: 'the run itself is not concerned; check the address of --ping',
  };
}
