import { text } from 'node:stream/consumers';
import type { Assertion } from '../domain/drill.ts';
import { McadsError } from '../errors.ts';
import type { CopyTools } from './drill-copy.ts';
import { ioOf, targetOf } from './drill-databases.ts';
import type { DrilledServer } from './drill-plan.ts';

/** Needs a shell and one of these programs in the image; prints the status line, then the body. */
const FETCH = `
if command -v curl >/dev/null; then exec curl -sS -m 20 -o - -w '\\nmcads-status %{http_code}' "$1"; fi
if command -v python3 >/dev/null; then exec python3 -c '
import sys, urllib.request, urllib.error
try: r = urllib.request.urlopen(sys.argv[1], timeout=20)
except urllib.error.HTTPError as e: r = e
sys.stdout.write(r.read().decode("utf-8", "replace") + "\\nmcads-status %d" % r.getcode())' "$1"; fi
if command -v node >/dev/null; then exec node -e '
fetch(process.argv[1], { redirect: "manual" }).then(async (r) => process.stdout.write((await r.text()) + "\\nmcads-status " + r.status))' "$1"; fi
if command -v wget >/dev/null; then
  answer=$(wget -q -S -T 20 -O - "$1" 2>/tmp/.mcads-wget); status=$(sed -n 's/.*HTTP\\/[0-9.]* \\([0-9][0-9]*\\).*/\\1/p' /tmp/.mcads-wget | tail -n 1); rm -f /tmp/.mcads-wget
  printf '%s\\nmcads-status %s' "$answer" "\${status:-000}"; exit 0
fi
echo 'the image has none of curl, python3, node and wget' >&2; exit 127`;

/** Level 5: the user's own claims, each against the copy. Those about services that were not started are left out and told. */
export async function proveAssertions(
  assertions: readonly Assertion[],
  servers: readonly DrilledServer[],
  isRunning: (service: string) => boolean,
  tools: CopyTools,
  signal: AbortSignal,
): Promise<void> {
  for (const assertion of assertions) {
    const { name, service } = assertion;
    if (!isRunning(service)) {
      const message = `assertion "${name}" was not tried: service ${service} is not started in the copy`;
      tools.log.warn({ severity: 'warning', code: 'assertion-skipped', subject: service, message, hint: 'start it with --services' });
      continue;
    }
    await tools.log.attempt(5, 'assertion', name, () => prove(assertion, servers, tools, signal));
  }
}

async function prove(assertion: Assertion, servers: readonly DrilledServer[], tools: CopyTools, signal: AbortSignal): Promise<string> {
  switch (assertion.kind) {
    case 'sql':
      return proveSql(assertion, servers, tools, signal);
    case 'http':
      return proveHttp(assertion, tools, signal);
    case 'command': {
      const { code, stdout, stderr } = await runIn(assertion.service, assertion.argv, tools, signal);
      if (code === 0) return 'ended with 0';
      throw differs(assertion, `the command ended with ${code}: ${(stderr.trim() || stdout.trim()).slice(-400)}`);
    }
  }
}

async function proveSql(
  assertion: Extract<Assertion, { kind: 'sql' }>,
  servers: readonly DrilledServer[],
  tools: CopyTools,
  signal: AbortSignal,
): Promise<string> {
  const { service, sql, expect } = assertion;
  const server = servers.find((one) => one.service === service);
  if (server === undefined) throw differs(assertion, `${service} is no database service of this snapshot`);
  const known = server.databases.map(({ database }) => database).filter((one) => one !== 'postgres' || server.databases.length === 1);
  const database = assertion.database ?? known[0];
  if (database === undefined || (assertion.database === null && known.length > 1))
    throw differs(assertion, `it has to say which database of ${service}: ${known.join(', ')}`);
  const lines = await server.adapter.restorer.ask(await targetOf(server, tools, signal), database, sql, ioOf(tools, signal));
  const answer = lines.join('\n');
  if (answer !== expect) throw differs(assertion, `${database} answers "${answer.slice(0, 200)}" instead of "${expect}"`);
  return `${database} answers "${expect.slice(0, 200)}"`;
}

async function proveHttp(assertion: Extract<Assertion, { kind: 'http' }>, tools: CopyTools, signal: AbortSignal): Promise<string> {
  const { service, url, status, contains } = assertion;
  const { code, stdout, stderr } = await runIn(service, ['sh', '-c', FETCH, 'sh', url], tools, signal);
  const found = /\nmcads-status (\d+)$/.exec(stdout);
  if (code !== 0 || found === null) throw differs(assertion, `${url} gives no answer: ${stderr.trim().slice(-300) || `exit ${code}`}`);
  if (Number(found[1]) !== status) throw differs(assertion, `${url} answers with status ${found[1] ?? ''} instead of ${status}`);
  if (contains !== null && !stdout.slice(0, found.index).includes(contains))
    throw differs(assertion, `the answer of ${url} does not contain "${contains}"`);
  return `${url} answers with status ${status}`;
}

async function runIn(
  service: string,
  argv: readonly string[],
  { copy, engine }: CopyTools,
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const container = await copy.container(service, signal);
  const handle = await engine.exec(container.id, argv, {}, signal);
  const stdout = await text(handle.stdout);
  const { code, stderr } = await handle.exit;
  return { code, stdout, stderr };
}

function differs({ name }: Assertion, what: string): McadsError {
  return new McadsError('proof-failed', `assertion "${name}" does not hold: ${what}`);
}
