import type { JsonValue } from '../domain/byte-stream.ts';
import type { ComponentDetails, Manifest } from '../domain/manifest.ts';
import { printable, printableLines } from './escape.ts';
import { counted, humanBytes, humanDuration } from './human.ts';

/** The text of `verification.txt`: sizes, contents, system facts, checks, times; for people, without the tool. Times are UTC. */
export function verificationText(manifest: Manifest): string {
  const { sealed } = manifest;
  const stored = Object.values(sealed.components);
  return [
    `Snapshot            ${printable(manifest.name)}`,
    `Project             ${printable(sealed.project)} (${sealed.strategy} strategy)`,
    `Completeness        ${sealed.completeness}`,
    `Started             ${sealed.startedAt}`,
    `Finished            ${sealed.finishedAt} (${humanDuration(sealed.stats.seconds)})`,
    `Size                ${sized(sealed.stats.bytes)}`,
    `New in repository   ${sized(sealed.stats.newBytes)} in ${counted(sealed.stats.newChunks, 'new chunk')}`,
    '',
    'System',
    `  tool              ${printable(sealed.tool.name)} ${printable(sealed.tool.version)}`,
    `  host              ${printable(sealed.host.name)}, ${printable(sealed.host.platform)}, Node.js ${printable(sealed.host.node)}`,
    ...(sealed.workingDirectory === null ? [] : [`  directory         ${printable(sealed.workingDirectory)}`]),
    ...engineLines(sealed.engine),
    '',
    `Contents (${counted(stored.length, 'component')})`,
    ...manifest.components.flatMap((component) => {
      const details = sealed.components[component.id];
      return details === undefined ? [] : ['', ...componentLines(component.id, details, component.artifacts)];
    }),
    ...section(
      'Failed',
      sealed.failed.map((one) => `  ${printable(one.id)}: ${one.status}, ${printable(one.reason)}`),
    ),
    ...section(
      'Not covered',
      sealed.uncovered.map((one) => `  ${printable(one.subject)}: ${printable(one.reason)}`),
    ),
    ...section('Findings', [
      ...new Set(sealed.findings.map((one) => `  ${one.severity} ${one.code} ${printable(one.subject)}: ${printableLines(one.message)}`)),
    ]),
    '',
    'Checks made while this snapshot was written',
    '  every chunk was decompressed and compared before it counted, and was on disk before the manifest was',
    ...(stored.some((details) => details.consistency === 'dump')
      ? ['  every dump was accepted only after exit code, framing and a full read of the archive agreed']
      : []),
    '  nothing has been restored yet: only a drill or a restore proves a backup',
    '',
    'How to get this back without the tool: see RECOVERY.md in the repository.',
    '',
  ].join('\n');
}

function componentLines(id: string, details: ComponentDetails, artifacts: Manifest['components'][number]['artifacts']): readonly string[] {
  return [
    `  ${printable(id)}`,
    `    ${details.outcome}, ${details.consistency}, ${sized(details.bytes)}, new ${humanBytes(details.storedBytes)}`,
    `    how: ${printable(details.how)} (${details.because})`,
    `    from ${details.startedAt} to ${details.finishedAt}`,
    ...artifacts.map(
      (one) => `    ${one.name}: ${one.format}, ${one.bytes} bytes, ${counted(one.segments, 'segment')}, digest ${one.digest}`,
    ),
    ...Object.entries(details.facts).map(([name, value]) => `    ${printable(name)}: ${factText(value)}`),
    ...details.findings.map((one) => `    ${one.severity} ${one.code}: ${printableLines(one.message)}`),
  ];
}

/** Facts may be long (a hash for each of many tables): the manifest has them in full. */
function factText(value: JsonValue): string {
  if (typeof value === 'string') return printable(value);
  const text = printable(JSON.stringify(value));
  return text.length <= 400 ? text : `${text.slice(0, 400)}… (in full in manifest.json)`;
}

function engineLines(engine: Manifest['sealed']['engine']): readonly string[] {
  if (engine === null) return [];
  const shown = ['version', 'apiVersion', 'operatingSystem', 'architecture', 'endpoint'].flatMap((name) => {
    const value = engine[name];
    return typeof value === 'string' ? [`${name} ${printable(value)}`] : [];
  });
  return shown.length === 0 ? [] : [`  engine            ${shown.join(', ')}`];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function sized(bytes: number): string {
  return bytes < 1024 ? `${bytes} bytes` : `${humanBytes(bytes)} (${bytes} bytes)`;
}
