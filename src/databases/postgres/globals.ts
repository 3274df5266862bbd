import type { Verdict } from '../../domain/byte-stream.ts';
import type { Finding } from '../../domain/finding.ts';
import type { CapturedDump, DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import type { ExecHandle } from '../../domain/ports.ts';
import { McadsError } from '../../errors.ts';
import { failed, harmlessComplaints, isLockTimeout, lastWords, unknownComplaints } from './failures.ts';
import { serverFacts } from './list.ts';
import { changedSettings } from './settings.ts';
import { isMissing } from './run-tool.ts';
import { connectTo, explained, openServer, toolOptions, type Server } from './server.ts';

const TRAILER = '-- PostgreSQL database cluster dump complete';

/** Roles, memberships, tablespaces: `pg_dumpall --globals-only`. Without superuser rights the roles' passwords are left out, with a warning. */
export async function dumpGlobals(target: DatabaseTarget, io: DatabaseIo): Promise<CapturedDump> {
  const { server, session } = await openServer(target, io).catch((error: unknown) => {
    throw explained(error, target.service);
  });
  try {
    const settings = await changedSettings(session, server);
    await session.end();
    const limited = server.facts.isSuperuser ? [] : ['--no-role-passwords'];
    const argv = [
      'pg_dumpall',
      '--globals-only',
      '--no-password',
      '--lock-wait-timeout=60000',
      ...limited,
      '-l',
      server.maintenance,
      '-d',
      connectTo(server, server.maintenance),
    ];
    const handle = await io.engine.exec(target.container.id, argv, toolOptions(server, 'mcads'), io.signal);
    return { format: 'sql', stream: streamOf(handle, server, settings) };
  } catch (error) {
    throw explained(error, target.service);
  } finally {
    await session[Symbol.asyncDispose]();
  }
}

function streamOf(handle: ExecHandle, server: Server, settings: Readonly<Record<string, string>>): CapturedDump['stream'] {
  const verdict = Promise.withResolvers<Verdict>();
  verdict.promise.catch(() => undefined); // handed out for later
  async function* body(): AsyncGenerator<Uint8Array> {
    let tail = '';
    let bytes = 0;
    let failure: unknown = new McadsError('cancelled', 'the globals were not read to their end');
    let ended = false;
    try {
      for await (const chunk of handle.stdout) {
        bytes += chunk.length;
        tail = (tail + new TextDecoder('iso-8859-1').decode(chunk.subarray(-4096))).slice(-4096);
        yield chunk;
      }
      ended = true;
    } catch (error) {
      failure = error;
      throw explained(error, server.target.service);
    } finally {
      if (!ended) verdict.reject(explained(failure, server.target.service));
    }
    judge(handle, server, settings, tail, bytes).then(verdict.resolve, (error: unknown) =>
      verdict.reject(explained(error, server.target.service)),
    );
  }
  return { body: body(), done: verdict.promise };
}

async function judge(
  handle: ExecHandle,
  server: Server,
  settings: Readonly<Record<string, string>>,
  tail: string,
  bytes: number,
): Promise<Verdict> {
  const { target, facts } = server;
  const exit = await handle.exit;
  if (exit.code !== 0) {
    const reason = isMissing(exit.code)
      ? 'its image has no pg_dumpall'
      : `pg_dumpall failed: ${lastWords(exit.stderr) || `exit ${exit.code}`}`;
    throw failed(target.service, reason, isLockTimeout(exit.stderr) ? 'a role or tablespace is locked; back up again later' : undefined);
  }
  const complaints = unknownComplaints(exit.stderr);
  if (complaints.length > 0) throw failed(target.service, `pg_dumpall complained: ${complaints.slice(0, 3).join('; ')}`);
  if (!tail.includes(TRAILER)) throw failed(target.service, 'the output of pg_dumpall lacks its last line');
  const subject = `globals/${target.service}`;
  const findings: Finding[] = harmlessComplaints(exit.stderr).map((message) => ({
    severity: 'warning',
    code: 'pg-dump-warning',
    subject,
    message: message.trim(),
  }));
  if (!facts.isSuperuser) {
    findings.push({
      severity: 'warning',
      code: 'globals-without-passwords',
      subject,
      message: 'roles are saved without their passwords, because only a superuser can read them',
      hint: 'name a superuser with mcads.postgres.user and mcads.postgres.passwordFile',
    });
  }
  return { findings, facts: { ...serverFacts(server, null, settings), withPasswords: facts.isSuperuser, bytes } };
}
