import type { DrillEvidence } from '../domain/drill.ts';
import { humanDuration } from './human.ts';
import { recoveryText } from './drill-report.ts';

/** The evidence of a drill for people who were not there. */
export function drillMarkdown(evidence: DrillEvidence): string {
  const { by, tool, engine, levels, checks, images, changes, findings, level, ok } = evidence;
  const failed = checks.filter((check) => !check.ok);
  return [
    `# Restore drill of ${code(evidence.project)}: ${ok ? 'proven' : 'NOT proven'}${level === null ? '' : `, level ${level}`}`,
    '',
    `- Snapshot: ${code(evidence.snapshot)}, taken ${evidence.takenAt}${evidence.components === null ? '' : `; only ${evidence.components.map(code).join(', ')}`}`,
    `- Drill ${code(evidence.drill)}: from ${evidence.startedAt} to ${evidence.at} (${humanDuration(evidence.seconds)}), by ${code(by.user)} on ${code(by.host)} with ${tool.name} ${tool.version}`,
    `- Engine: ${code(engine.name)} ${engine.version}, API ${engine.apiVersion}, ${engine.operatingSystem}`,
    `- Recovery: ${evidence.rto === null ? 'not measured' : recoveryText(evidence)}`,
    '',
    ...(failed.length === 0
      ? []
      : [
          '## What did not hold',
          '',
          ...failed.map((one) => `- **L${one.level} ${one.name}** of ${code(one.subject)}: ${plain(one.detail)}`),
          '',
        ]),
    '## Levels',
    '',
    '| level | result | proves |',
    '|---|---|---|',
    ...levels.map((one) => `| L${one.level} ${one.name} | ${one.outcome} | ${one.proves} |`),
    '',
    '## Checks',
    '',
    '| level | check | of | result | detail |',
    '|---|---|---|---|---|',
    ...checks.map(
      (one) => `| L${one.level} | ${one.name} | ${cell(one.subject)} | ${one.ok ? 'ok' : '**failed**'} | ${cell(one.detail)} |`,
    ),
    '',
    '## Images',
    '',
    ...images.map(({ service, image, id, digests }) => `- ${code(service)}: ${code(image)}, ${code(digests[0] ?? id)}`),
    '',
    ...(changes.length === 0 ? [] : ['## Not in the copy', '', ...changes.map((one) => `- ${plain(one)}`), '']),
    ...(findings.length === 0
      ? []
      : ['## Findings', '', ...findings.map((one) => `- ${one.severity}: ${code(one.subject)}: ${plain(one.message)}`), '']),
  ].join('\n');
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_<>[\]]/g, (char) => `\\${char}`);
}

function cell(text: string): string {
  return plain(text).replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${text.replaceAll(/[`\n]/g, ' ')}\``;
}
