import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import { hasErrors } from '../domain/finding.ts';
import type { UndoReport } from '../domain/ports.ts';
import type { McadsError } from '../errors.ts';
import { errorJson, findingJson, renderError, renderFindings } from '../report/findings.ts';
import { createStyle, wantsColor } from '../report/style.ts';
import type { Style } from '../report/style.ts';
import { CommandOptions } from './command-options.ts';
import { COMMANDS } from './command-table.ts';
import type { CommandResult } from './command-spec.ts';
import type { CommandContext, Io, TextStream } from './context.ts';
import { exitCodeOf, toMcadsError } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { Output } from './output.ts';
import { pingAddress, startPings } from './ping.ts';
import type { Pinger } from './ping.ts';
import { parseCommandLine } from './program.ts';
import type { ParsedCommand } from './program.ts';
import type { ProjectContext } from './project-context.ts';
import { watchSignals } from './signals.ts';
import type { Announcer } from './announcer.ts';

/** Version of the `--json` contract. */
export const JSON_SCHEMA = 1;

/** Commands that do it themselves, and those about files only. */
const LEAVES_SERVICES_ALONE = /^(?:backup|recover|completion|config )/;

/** Their dry run promises to change nothing at all. */
const CHANGES_THE_PROJECT = /^(?:restore|rollback)$/;

/** Runs one command line to its exit code. The one place where errors become words and codes; never rejects for a user's error. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  io.stderr.on('error', () => undefined); // nobody is left to tell
  return runLine(argv, io, new Output(io.stdout));
}

/** Also for the command lines that a menu runs, one after the other. */
async function runLine(argv: readonly string[], io: Io, output: Output): Promise<ExitCode> {
  const early = earlyOptions(argv);
  const style = styleOf(io.stderr, !early.noColor, io);
  const announcer: Announcer = { say: (line) => io.stderr.write(`${line}\n`), release: () => undefined };
  const signals = watchSignals(io, announcer, style, early.json || early.quiet);
  let name = '';
  let pinger: Pinger | null = null;
  const findings: Finding[] = [];
  try {
    const parsed = await parseCommandLine(argv, io.version);
    if (parsed.kind === 'text') {
      await output.write(parsed.text);
      return 0;
    }
    name = parsed.name;
    const runInner = (inner: readonly string[]): Promise<ExitCode> => signals.leave(() => runLine(inner, io, output));
    const context = contextOf(parsed, argv, io, output, signals.signal, announcer, findings, runInner);
    pinger = parsed.pings ? await openPinger(context) : null;
    const result = await (await parsed.load())(context);
    signals.finish();
    return await printResult(context, result, await isStrict(context), [...findings, ...result.findings], pinger);
  } catch (thrown) {
    signals.finish();
    const error = toMcadsError(thrown, signals.signal);
    const exitCode = exitCodeOf(error.code);
    const unheard = (await pinger?.end(exitCode)) ?? [];
    let isTold = false;
    if (early.json) {
      const object = {
        schema: JSON_SCHEMA,
        ok: false,
        exitCode,
        command: name,
        error: errorJson(error),
        ...factsOf(error),
        findings: [...findings, ...unheard].map(findingJson),
      };
      // Where stdout itself is what failed, stderr says it.
      isTold = await output.write(`${JSON.stringify(object)}\n`).then(
        () => true,
        () => false,
      );
    }
    if (!isTold || error.code === 'unexpected') io.stderr.write(`${renderError(error, style, early.verbose)}\n`);
    if (!early.json && unheard.length > 0) io.stderr.write(`${renderFindings(unheard, style, false)}\n`);
    return exitCode;
  } finally {
    signals.stop();
  }
}

/** Null where nobody is to be told; a dry run tells nobody. */
async function openPinger(context: CommandContext): Promise<Pinger | null> {
  if (context.options.flag('dryRun')) return null;
  const address = pingAddress(context.name, (await context.project()).config);
  return address === null ? null : startPings(address);
}

/** What scripts ask of a failed restore, beside its error. */
function factsOf({ context }: McadsError): JsonObject {
  const { rolledBack, verification } = context;
  return { ...(rolledBack === undefined ? {} : { rolledBack }), ...(verification === undefined ? {} : { verification }) };
}

function contextOf(
  parsed: Extract<ParsedCommand, { kind: 'command' }>,
  argv: readonly string[],
  io: Io,
  output: Output,
  signal: AbortSignal,
  announcer: Announcer,
  findings: Finding[],
  runInner: (argv: readonly string[]) => Promise<ExitCode>,
): CommandContext {
  const options = new CommandOptions(parsed.options);
  const json = options.flag('json');
  const quiet = options.flag('quiet') || options.text('progress') === 'quiet';
  const colored = options.flag('color');
  let project: Promise<ProjectContext> | null = null;
  const open = async (): Promise<ProjectContext> => {
    // Not for --help: it reads Compose files, and loads what that takes.
    const { openProject } = await import('./project-context.ts');
    const opened = await openProject({
      options,
      environment: io.environment,
      workingDirectory: io.workingDirectory,
      services: io.services,
      signal,
    });
    findings.push(...opened.config.findings);
    if (!LEAVES_SERVICES_ALONE.test(parsed.name) && !(CHANGES_THE_PROJECT.test(parsed.name) && options.flag('dryRun')))
      findings.push(...(await undoLeftovers(opened, options.flag('allProjects'), io, signal)));
    return opened;
  };
  return {
    name: parsed.name,
    argv,
    args: parsed.args,
    options,
    io,
    services: io.services,
    signal,
    announcer,
    output,
    style: styleOf(io.stdout, colored, io),
    noteStyle: styleOf(io.stderr, colored, io),
    json,
    quiet,
    note: (text) => {
      if (!json && !quiet) io.stderr.write(`${text}\n`);
    },
    project: () => (project ??= open()),
    commandLine: { commands: COMMANDS, run: runInner },
  };
}

/** A run that was killed may have left services stopped: the next command of any kind brings them back. */
async function undoLeftovers(project: ProjectContext, everything: boolean, io: Io, signal: AbortSignal): Promise<readonly Finding[]> {
  const onHost = await io.services.undoOnHost(project.engine, signal);
  const onEngine =
    project.name === null && !everything ? null : await io.services.undoLeftovers(everything ? null : project.name, project.engine, signal);
  return [onHost, onEngine].flatMap((report) => (report === null ? [] : undoFindings(report)));
}

function undoFindings(report: UndoReport): readonly Finding[] {
  return [
    ...report.undone.map((what): Finding => ({
      severity: 'warning',
      code: 'undone',
      subject: 'recover',
      message: `undone what a killed run left: ${what}`,
    })),
    ...report.failed.map((what): Finding => ({
      severity: 'warning',
      code: 'not-undone',
      subject: 'recover',
      message: what,
      hint: 'run `recover`',
    })),
  ];
}

async function isStrict(context: CommandContext): Promise<boolean> {
  return context.options.flag('strict') || (await context.project().then((project) => project.config.settings.strict));
}

async function printResult(
  context: CommandContext,
  result: CommandResult,
  strict: boolean,
  said: readonly Finding[],
  pinger: Pinger | null,
): Promise<ExitCode> {
  const { io, output } = context;
  const warned = strict && said.some((finding) => finding.severity !== 'info');
  const exitCode = result.exitCode === 0 && (hasErrors(said) || warned) ? 3 : result.exitCode;
  const findings = [...said, ...((await pinger?.end(exitCode)) ?? [])];
  if (context.json && result.data !== null) {
    const head: JsonObject = { schema: JSON_SCHEMA, ok: exitCode === 0, exitCode, command: context.name };
    await output.write(`${JSON.stringify({ ...head, ...result.data, findings: findings.map(findingJson) })}\n`);
    return exitCode;
  }
  if (result.text !== '') await output.write(`${result.text}\n`);
  const shown = renderFindings(findings, context.noteStyle, context.options.flag('verbose'));
  if (shown !== '' && (!context.quiet || exitCode !== 0)) io.stderr.write(`${shown}\n`);
  if (result.notes !== undefined && result.notes !== '') context.note(result.notes);
  return exitCode;
}

/** Files and pipes get whole lines. */
function styleOf(stream: TextStream, colored: boolean, io: Io): Style {
  return createStyle(wantsColor(stream, colored, io.environment), stream.columns ?? 10_000);
}

/** Needed before (and when) parsing fails. */
function earlyOptions(argv: readonly string[]): {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
} {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const has = (...names: readonly string[]): boolean => words.some((word) => names.includes(word));
  return { json: has('--json'), quiet: has('-q', '--quiet'), verbose: has('-v', '--verbose'), noColor: has('--no-color') };
}
