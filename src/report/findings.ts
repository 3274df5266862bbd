import type { Finding, Uncovered } from '../domain/finding.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import { messageOf, McadsError } from '../errors.ts';
import { printable, printableLines } from './escape.ts';
import type { Style } from './style.ts';

/** One line, and the hint below it. */
export function renderFinding(finding: Finding, style: Style): string {
  const word = { info: style.dim('note'), warning: style.yellow('warning'), error: style.red('error') }[finding.severity];
  const subject = printable(finding.subject);
  const message = printableLines(finding.message);
  const text = `${word}  ${style.bold(subject)}: ${message.startsWith(`${subject}: `) ? message.slice(subject.length + 2) : message}`;
  return finding.hint === undefined ? text : `${text}\n  ${style.dim(`→ ${printableLines(finding.hint).replaceAll('\n', '\n    ')}`)}`;
}

/** Errors first; notes only where asked for. */
export function renderFindings(findings: readonly Finding[], style: Style, withNotes: boolean): string {
  const order = { error: 0, warning: 1, info: 2 };
  return findings
    .filter((finding) => withNotes || finding.severity !== 'info')
    .toSorted((a, b) => order[a.severity] - order[b.severity])
    .map((finding) => renderFinding(finding, style))
    .join('\n');
}

/** What happened, where, and what to do next; the stack and a request to report for what is our own fault. */
export function renderError(error: McadsError, style: Style, verbose: boolean): string {
  const where = error.where === undefined || error.message.includes(error.where) ? '' : `${printable(error.where)}: `;
  const lines = [`${style.red('error')}  ${where}${printableLines(error.message)}`];
  if (error.hint !== undefined) lines.push(`  ${style.dim('→')} ${printableLines(error.hint).replaceAll('\n', '\n    ')}`);
  if (error.code === 'unexpected') {
    const origin = error.cause instanceof Error ? error.cause : error;
    lines.push(style.dim(printableLines(origin.stack ?? messageOf(origin))));
    lines.push('This is a defect of mcads-orchestrate. Please report it with the lines above and the log file.');
  } else if (verbose) {
    for (let cause = error.cause; cause !== undefined && cause !== null; cause = cause instanceof Error ? cause.cause : undefined) {
      lines.push(style.dim(`  caused by: ${printableLines(messageOf(cause))}`));
    }
  }
  return lines.join('\n');
}

export function findingJson(finding: Finding): JsonObject {
  return {
    severity: finding.severity,
    code: finding.code,
    subject: finding.subject,
    message: finding.message,
    ...(finding.hint === undefined ? {} : { hint: finding.hint }),
  };
}

export function errorJson(error: McadsError): JsonObject {
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.where === undefined ? {} : { where: error.where }),
  };
}

export function uncoveredJson(uncovered: readonly Uncovered[]): readonly JsonObject[] {
  return uncovered.map(({ subject, reason }) => ({ subject, reason }));
}
