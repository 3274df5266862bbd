import { DRILL_LEVELS, type DrillCheck, type DrillEvidence } from '../domain/drill.ts';

/** JUnit XML as CI systems read it: a suite per level, a test case per check; levels without checks are skipped cases. */
export function drillJunit(evidence: DrillEvidence): string {
  const failures = evidence.checks.filter(({ ok }) => !ok).length;
  const suites = DRILL_LEVELS.flatMap((level) => {
    const result = evidence.levels[level];
    const checks = evidence.checks.filter((check) => check.level === level);
    if (result === undefined) return [];
    const bad = checks.filter(({ ok }) => !ok).length;
    const skipped = checks.length === 0 ? 1 : 0;
    const head = {
      name: `L${level} ${result.name}`,
      tests: checks.length + skipped,
      failures: bad,
      skipped,
      timestamp: evidence.startedAt,
    };
    const cases =
      checks.length === 0
        ? [
            `    <testcase${attributes({ name: result.name, classname: classOf(evidence, level) })}><skipped${attributes({ message: result.outcome })}/></testcase>`,
          ]
        : checks.map((check) => testCase(check, evidence));
    return [`  <testsuite${attributes(head)}>`, ...cases, '  </testsuite>'];
  });
  const head = { name: `drill of ${evidence.snapshot}`, tests: evidence.checks.length, failures, time: evidence.seconds };
  return ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites${attributes(head)}>`, ...suites, '</testsuites>', ''].join('\n');
}

function testCase({ level, name, subject, ok, detail }: DrillCheck, evidence: DrillEvidence): string {
  const start = `    <testcase${attributes({ name: `${name} of ${subject}`, classname: classOf(evidence, level) })}>`;
  if (ok) return `${start}<system-out>${escaped(detail)}</system-out></testcase>`;
  return `${start}<failure${attributes({ message: detail })}>${escaped(detail)}</failure></testcase>`;
}

function classOf({ project }: DrillEvidence, level: number): string {
  return `drill.${project}.L${level}`;
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
    .join('');
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;', '\t': '&#9;' };

/** XML 1.0 knows no other control characters, escaped or not. */
function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what has to go
  return text.replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd').replaceAll(/[&<>"\n\t]/g, (char) => ENTITIES[char] ?? char);
}
