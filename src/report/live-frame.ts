import { displayWidth, printable, shorten } from './escape.ts';
import { humanBytes, humanDuration } from './human.ts';
import { secondsLeft, shareDone } from './progress-state.ts';
import type { ComponentProgress, ProgressState } from './progress-state.ts';
import type { Style } from './style.ts';

/** Below this many columns the bar and the stored bytes are left out. */
const NARROW = 72;

/** Below this many columns only percent and bytes stand beside the name. */
const TINY = 36;

/** Numbers stay near their names on terminals that are wider. */
const WIDE = 130;

/** The changing lines at the bottom: running components, services that are down, one line of totals. Never wider than the terminal, never more than `rows`. */
export function liveFrame(state: ProgressState, now: number, style: Style, rows: number): readonly string[] {
  const all = [...state.components.values()];
  const running = all.filter((one) => one.status === 'running');
  const services = [...state.services].map(([name, action]) => shorten(`  service ${printable(name)}: ${action}`, style.width - 1));
  const room = Math.max(1, rows - 3 - services.length);
  const shown = running.slice(0, room).map((one) => componentLine(one, now, style));
  const hidden = running.length - shown.length;
  return [
    ...shown,
    ...(hidden > 0 ? [style.dim(`  and ${hidden} more`)] : []),
    ...services.map((line) => style.yellow(line)),
    totalLine(state, all, now, style),
  ];
}

function componentLine(one: ComponentProgress, now: number, style: Style): string {
  const width = Math.min(style.width, WIDE) - 1;
  const share = shareDone(one);
  const left = secondsLeft(one);
  const rate = one.rate > 0 ? `${humanBytes(one.rate)}/s` : humanDuration((now - one.startedAt) / 1000);
  const numbers = [humanBytes(one.bytes).padStart(9), ...(width >= TINY ? [rate.padStart(11)] : [])];
  if (width >= NARROW) numbers.push((left === null ? '' : `${humanDuration(left)} left`).padStart(12));
  const percent = share === null ? '    ' : `${String(Math.floor(share * 100)).padStart(3)}%`;
  const tail = `${percent}${numbers.join('')}`;
  const barWidth = width >= NARROW ? Math.min(24, width - displayWidth(tail) - 30) : 0;
  const bar = barWidth > 4 ? ` ${renderBar(share, barWidth, now, style)} ` : ' ';
  const phase = width >= 100 && one.phase !== '' ? ` ${one.phase}` : '';
  const nameWidth = Math.max(6, width - displayWidth(tail) - (barWidth > 4 ? barWidth + 2 : 1) - 2);
  const name = shorten(`${printable(one.id)}${printable(phase)}`, nameWidth);
  return `${style.cyan('›')} ${name}${' '.repeat(Math.max(0, nameWidth - displayWidth(name)))}${bar}${tail}`.trimEnd();
}

/** A bar; where the size is not known a short block wanders along it. */
function renderBar(share: number | null, width: number, now: number, style: Style): string {
  if (share === null) {
    const at = Math.floor(now / 150) % (width - 2);
    return style.dim('─'.repeat(at)) + style.cyan('━━━') + style.dim('─'.repeat(width - at - 3));
  }
  const full = Math.round(share * width);
  return style.cyan('━'.repeat(full)) + style.dim('─'.repeat(width - full));
}

function totalLine(state: ProgressState, all: readonly ComponentProgress[], now: number, style: Style): string {
  const done = all.filter((one) => one.status !== 'waiting' && one.status !== 'running').length;
  const bytes = all.reduce((sum, one) => sum + one.bytes, 0);
  const stored = all.reduce((sum, one) => sum + one.stored, 0);
  const fresh = state.doing === 'capture' ? `, ${humanBytes(stored)} new` : '';
  const counts = all.length === 0 ? '' : `  ${done}/${all.length}  ${humanBytes(bytes)}${fresh}`;
  const time = humanDuration((now - state.startedAt) / 1000);
  const numbers = `  ${time}${counts}`;
  const whole = state.stage === '' ? numbers : `${numbers}  ${printable(state.stage)}`;
  return style.dim(shorten(displayWidth(whole) < style.width ? whole : numbers, style.width - 1));
}
