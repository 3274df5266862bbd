import { namesOf } from './restore-words.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import { PROOF_OF_HOST } from '../domain/drill.ts';
import { sizeFinding } from '../domain/size-check.ts';
import { isDown, isUnitDown } from '../domain/status.ts';
import type { EngineAnswer, Protection, ProtectionLimits, ServiceState, UnitState } from '../domain/status.ts';
import { printable } from './escape.ts';
import { proofCell } from './snapshot-report.ts';
import { counted, humanAge, humanBytes, humanDuration } from './human.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

/** Less free space than this share is worth a warning. */
const LITTLE_SPACE = 0.05;

export interface ProjectStatus extends Protection {
  readonly engine: EngineAnswer;
  readonly units: readonly UnitState[];
}

export interface StatusReport {
  readonly repository: string;
  readonly hasRepository: boolean;
  readonly projects: readonly ProjectStatus[];
  readonly disks: readonly { readonly path: string; readonly total: number; readonly free: number }[];
  readonly now: Date;
}

export function statusJson(report: StatusReport): JsonObject {
  return {
    repository: report.repository,
    disks: report.disks.map(({ path, total, free }) => ({ path, bytes: total, freeBytes: free })),
    projects: report.projects.map((one) => ({
      project: one.project,
      services:
        one.engine.kind === 'services'
          ? one.engine.services.map(({ service, container, state, health }) => ({ service, container, state, health }))
          : null,
      units: one.units.map(({ name, active, enabled }) => ({ name, active, enabled })),
      snapshots: one.snapshots,
      newest: one.newest.map(({ name, strategy, startedAt, completeness, bytes }) => ({ name, strategy, startedAt, completeness, bytes })),
      newestComplete: one.newestComplete?.name ?? null,
      ageSeconds: one.newestComplete === null ? null : ageSeconds(one.newestComplete.startedAt, report.now),
      lastDrill: one.lastDrill === null ? null : { ...one.lastDrill, failed: one.lastDrill.failed === true },
      overdue: one.overdue,
      unproven: one.unproven,
      unprotected: one.unprotected.map(({ subject, reason }) => ({ subject, reason })),
    })),
  };
}

function ageSeconds(at: string, now: Date): number {
  return Math.max(0, Math.round((now.getTime() - new Date(at).getTime()) / 1000));
}

/** What is wrong, worst first; whatever makes exit 4 is an error. */
export function statusFindings(report: StatusReport, limits: ProtectionLimits): readonly Finding[] {
  const none: Finding = {
    severity: 'error',
    code: 'unprotected',
    subject: report.repository,
    message: report.hasRepository ? 'it holds no snapshot' : 'there is no repository',
    hint: 'run `backup`, or name another repository with -r',
  };
  return [
    ...(report.projects.length === 0 ? [none] : []),
    ...report.projects.flatMap((one) => [...protectionFindings(one, report, limits), ...aheadFindings(one), ...liveFindings(one)]),
    ...report.disks
      .filter(({ free, total }) => free < total * LITTLE_SPACE)
      .map(({ path, free }): Finding => ({
        severity: 'warning',
        code: 'little-space',
        subject: path,
        message: `only ${humanBytes(free)} are free there`,
      })),
  ];
}

function aheadFindings({ project, ahead }: ProjectStatus): readonly Finding[] {
  if (ahead.length === 0) return [];
  const message = `a clock that was ahead has dated ${namesOf(ahead)} in the future: how old that is nobody can tell, and it is not \`latest\``;
  return [{ severity: 'warning', code: 'dated-ahead', subject: project, message, hint: '`forget NAME` removes one' }];
}

function protectionFindings(one: ProjectStatus, report: StatusReport, limits: ProtectionLimits): readonly Finding[] {
  const error = (code: string, message: string, hint: string): Finding => ({
    severity: 'error',
    code,
    subject: one.project,
    message,
    hint,
  });
  const { newestComplete, lastDrill } = one;
  const partial = one.newest[0]?.completeness === 'partial' ? one.newest[0] : null;
  const allowed = (milliseconds: number): string => humanDuration(milliseconds / 1000);
  const isOnHost = one.newest[0]?.strategy === 'host';
  return [
    ...(one.overdue
      ? [
          newestComplete === null
            ? error('overdue', `it has no complete snapshot in ${report.repository}`, 'run `backup`')
            : error(
                'overdue',
                `its newest complete snapshot was made ${humanAge(new Date(newestComplete.startedAt), report.now)}; allowed: ${allowed(limits.maxAgeMs)}`,
                'run `backup`; the log folder tells why the last ones failed',
              ),
        ]
      : []),
    ...(one.unproven && isOnHost
      ? [
          error(
            'unproven',
            'no drill can prove it: its snapshots are made without Docker, and a drill restores into containers',
            `leave --max-proof-age (maxProofAge) out for it; ${PROOF_OF_HOST}`,
          ),
        ]
      : []),
    ...(one.unproven && !isOnHost
      ? [
          error(
            'unproven',
            lastDrill === null
              ? 'no snapshot of it was ever restored in a drill'
              : `its last drill ${lastDrill.failed === true ? 'failed' : 'was'} ${humanAge(new Date(lastDrill.at), report.now)}; allowed: ${allowed(limits.maxProofAgeMs ?? 0)}`,
            'run `drill`',
          ),
        ]
      : []),
    ...one.unprotected.map(({ subject, reason }): Finding => ({
      severity: 'error',
      code: 'unprotected',
      subject,
      message: `it is in no snapshot: ${reason}`,
      hint: 'make it a volume or bind that can be captured, or leave it out on purpose with the label mcads.enable: "false"; on a host: name it under `host:`',
    })),
    ...(partial === null
      ? []
      : [
          {
            severity: 'warning' as const,
            code: 'newest-is-partial',
            subject: partial.name,
            message: 'the newest snapshot is a partial one',
            hint: `see \`show ${partial.name}\``,
          },
        ]),
    ...(one.unusual === null ? [] : [sizeFinding(one.unusual)]),
  ];
}

function liveFindings({ engine, units, project }: ProjectStatus): readonly Finding[] {
  const warning = (code: string, subject: string, message: string): Finding => ({ severity: 'warning', code, subject, message });
  switch (engine.kind) {
    case 'silent':
      return [warning('engine-silent', project, `its services cannot be seen: ${engine.reason}`)];
    case 'absent':
    case 'services':
      return [
        ...(engine.kind === 'services' ? engine.services : [])
          .filter(isDown)
          .map((one) => warning('service-down', one.service ?? one.container, `it is ${stateText(one)}`)),
        ...units
          .filter(isUnitDown)
          .map(({ name, active }) =>
            warning('service-down', name, active === 'failed' ? 'it has failed' : 'it is enabled and does not run'),
          ),
      ];
  }
}

function stateText({ state, health, exitCode }: ServiceState): string {
  if (state === 'running') return health === 'none' ? 'running' : health;
  return state === 'exited' || state === 'dead' ? `${state} (${exitCode})` : state;
}

/** One block a project, then the disks. */
export function statusText(report: StatusReport, style: Style): string {
  const blocks = report.projects.map((one) => projectText(one, report.now, style));
  return [...blocks, disksText(report, style)].join('\n\n');
}

function projectText(one: ProjectStatus, now: Date, style: Style): string {
  const count = counted(one.snapshots, 'snapshot');
  const good = !one.overdue && !one.unproven && one.unprotected.length === 0;
  const words = [one.overdue ? 'overdue' : '', one.unproven ? 'unproven' : '', one.unprotected.length > 0 ? 'not all protected' : ''];
  const verdict = good ? style.green('protected') : style.red(words.filter((word) => word !== '').join(', '));
  const drill = proofCell(one.lastDrill, now, one.newest[0]?.strategy === 'host' ? 'not without Docker' : 'never');
  return [
    `${style.bold(printable(one.project))}: ${verdict}, ${count}, last drill: ${drill}`,
    ...servicesText(one, style),
    ...snapshotsText(one, now, style),
  ].join('\n');
}

function servicesText({ engine, units }: ProjectStatus, style: Style): readonly string[] {
  const rows = [
    ...(engine.kind === 'services'
      ? engine.services.map((one) => ({ cells: [printable(one.service ?? one.container), stateText(one)], down: isDown(one) }))
      : []),
    ...units.map((unit) => ({ cells: [printable(unit.name), `${unit.active}, ${unit.enabled}`], down: isUnitDown(unit) })),
  ];
  if (rows.length === 0) return [];
  const table = renderTable(
    [{ title: 'SERVICE', shrinkTo: 12 }, { title: 'STATE' }],
    rows.map(({ cells }) => cells),
    style.width,
    (text, row, column) =>
      row === -1 ? style.dim(text) : column !== 1 ? text : rows[row]?.down === true ? style.red(text) : style.green(text),
  );
  return ['', table];
}

function snapshotsText({ newest }: ProjectStatus, now: Date, style: Style): readonly string[] {
  if (newest.length === 0) return [];
  const table = renderTable(
    [
      { title: 'SNAPSHOT' },
      { title: 'AGE' },
      { title: 'SIZE', align: 'right' },
      { title: 'STATE', dropRank: 2 },
      { title: 'PROOF', dropRank: 1 },
    ],
    newest.map((one) => [
      printable(one.name),
      humanAge(new Date(one.startedAt), now),
      humanBytes(one.bytes),
      one.completeness,
      proofCell(one.proof, now),
    ]),
    style.width,
    (text, row, column) => (row === -1 ? style.dim(text) : column === 3 && text.startsWith('partial') ? style.yellow(text) : text),
  );
  return ['', table];
}

function disksText({ disks }: StatusReport, style: Style): string {
  return renderTable(
    [
      { title: 'DISK OF', shrinkTo: 20 },
      { title: 'SIZE', align: 'right' },
      { title: 'FREE', align: 'right' },
      { title: '', align: 'right' },
    ],
    disks.map(({ path, total, free }) => [
      printable(path),
      humanBytes(total),
      humanBytes(free),
      total > 0 ? `${Math.round((free / total) * 100)} %` : '',
    ]),
    style.width,
    (text, row) => {
      const disk = disks[row];
      return disk === undefined ? style.dim(text) : disk.free < disk.total * LITTLE_SPACE ? style.red(text) : text;
    },
  );
}
