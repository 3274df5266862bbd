import type { RunEvent } from '../domain/events.ts';
import { printable, printableLines } from './escape.ts';
import { renderFinding } from './findings.ts';
import { humanBytes, humanDuration } from './human.ts';
import type { Style } from './style.ts';

/** The line that stays on screen for an event; null for those that only move the numbers. */
export function eventLine(event: RunEvent, style: Style, verbose: boolean): string | null {
  switch (event.type) {
    case 'component-finished': {
      const { outcome } = event;
      const id = printable(outcome.id);
      switch (outcome.status) {
        case 'captured':
        case 'reused': {
          const { bytes, storedBytes, consistency } = outcome.details;
          return `${style.green('✓')} ${id}  ${humanBytes(bytes)}, ${humanBytes(storedBytes)} new, ${humanDuration(event.seconds)} ${style.dim(`(${outcome.status}, ${consistency})`)}`;
        }
        case 'skipped':
          return `${style.yellow('-')} ${id}  skipped: ${printable(outcome.reason)}`;
        case 'failed':
          return `${style.red('✗')} ${id}  failed: ${printableLines(outcome.reason)}`;
        case 'cancelled':
          return `${style.red('✗')} ${id}  cancelled`;
      }
      break;
    }
    case 'component-restored':
      return `${style.green('✓')} ${printable(event.id)}  ${humanBytes(event.bytes)}, ${humanDuration(event.seconds)} ${style.dim('(built and compared)')}`;
    case 'service':
      return verbose || !event.action.endsWith('ing') || event.action === 'running'
        ? `${style.yellow('•')} service ${printable(event.name)} ${event.action}`
        : null;
    case 'undone':
      return `${style.yellow('↩')} undone: ${printable(event.what)}`;
    case 'finding':
      return event.finding.severity === 'info' && !verbose ? null : renderFinding(event.finding, style);
    case 'log':
      if (event.level === 'debug' && !verbose) return null;
      return event.level === 'warn'
        ? `${style.yellow('warning')}  ${printableLines(event.message)}`
        : style.dim(printableLines(event.message));
    case 'stage':
    case 'planned':
    case 'component-started':
    case 'component-progress':
      return null;
  }
}
