import { describe, expect, test } from 'vitest';
import { judgeLevels, type DrillCheck, type DrillEvidence } from '../../src/domain/drill.ts';
import { drillJunit } from '../../src/report/drill-junit.ts';
import { drillMarkdown } from '../../src/report/drill-markdown.ts';
import { drillClosing, drillJson, drillTables } from '../../src/report/drill-report.ts';
import { createStyle } from '../../src/report/style.ts';

const NOW = new Date('2025-08-03T04:00:00Z');
const CHECKS: readonly DrillCheck[] = [
  { level: 0, name: 'bytes', subject: 'volume/media', ok: true, detail: '10 bytes read, every chunk with its checksum' },
  { level: 1, name: 'archive', subject: 'volume/media', ok: true, detail: '3 members' },
  { level: 2, name: 'database', subject: 'database/db/shop', ok: false, detail: 'role "a<b>&c" is missing | \u0001\nsecond line' },
];

function evidenceOf(checks: readonly DrillCheck[], given: Partial<DrillEvidence> = {}): DrillEvidence {
  const ok = checks.every((check) => check.ok);
  return {
    format: 1,
    drill: '0123456789ab',
    snapshot: 'shop_backup_20250801_120000',
    project: 'shop',
    takenAt: '2025-08-01T12:00:00.000Z',
    at: '2025-08-03T03:01:00.000Z',
    startedAt: '2025-08-03T03:00:00.000Z',
    ok,
    level: ok ? 2 : 1,
    wanted: 5,
    components: null,
    levels: judgeLevels(checks, 5),
    checks,
    rto: ok ? { seconds: 12, prepareSeconds: 2, filesSeconds: 4, databasesSeconds: 6, servicesSeconds: null } : null,
    rpoSeconds: 140_400,
    seconds: 60,
    images: [{ service: 'db', image: 'postgres:15', id: 'sha256:11', digests: ['postgres@sha256:22'] }],
    by: { user: 'root', host: 'here' },
    tool: { name: 'mcads-orchestrate', version: '1.0.0' },
    engine: {
      id: 'e',
      name: 'engine',
      version: '27',
      apiVersion: '1.47',
      operatingSystem: 'Debian',
      architecture: 'amd64',
      endpoint: 'unix:///x',
    },
    changes: ['published port 80/tcp of web is dropped'],
    findings: [],
    ...given,
  };
}

const plain = createStyle(false, 100);
const nowhere = { evidence: null, copy: null };

describe('a drill that failed', () => {
  const evidence = evidenceOf(CHECKS);

  test('names the level, the check and the culprit for people, without control characters', () => {
    const text = `${drillTables(evidence, plain)}\n${drillClosing(evidence, nowhere, NOW, plain)}`;
    expect(text).toContain('L2 database of database/db/shop: role "a<b>&c" is missing');
    expect(text).toMatch(/L2 restored +failed +1 of 1 failed/);
    expect(text).toContain('NOT proven. What holds: level 1:');
    expect(text).not.toContain('\u0001');
  });

  test('is a failure in JUnit, which is well-formed whatever the text holds', () => {
    const xml = drillJunit(evidence);
    expect(xml).toContain('<testsuites name="drill of shop_backup_20250801_120000" tests="3" failures="1" time="60">');
    expect(xml).toContain(
      '<testcase name="database of database/db/shop" classname="drill.shop.L2"><failure message="role &quot;a&lt;b&gt;&amp;c&quot;',
    );
    expect(xml).toContain('<skipped message="not reached"/>');
    expect(Array.from(xml).filter((char) => char < ' ' && char !== '\n')).toEqual([]);
    const open = [...xml.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)].reduce(
      (depth, [, closes, , isEmpty]) => depth + (closes ? -1 : isEmpty ? 0 : 1),
      0,
    );
    expect(open).toBe(0);
  });

  test('comes first in Markdown, and no cell breaks its table', () => {
    const text = drillMarkdown(evidence);
    expect(text).toMatch(/^# Restore drill of `shop`: NOT proven, level 1\n/);
    expect(text.indexOf('## What did not hold')).toBeLessThan(text.indexOf('## Levels'));
    const row = text.split('\n').find((line) => line.startsWith('| L2 | database')) ?? '';
    expect(row).toContain('\\|');
    expect(row.split(/(?<!\\)\|/)).toHaveLength(7);
  });
});

test('the JSON is the contract: level, checks with their verdict, the time that recovery took', () => {
  const evidence = evidenceOf(CHECKS.slice(0, 2));
  const json = drillJson(evidence, { evidence: '/x.json', copy: { project: 'shop-drill-1', until: NOW.toISOString() } });
  expect(json).toMatchObject({ level: 2, rtoSeconds: 12, rpoSeconds: 140_400, evidence: '/x.json', copy: { project: 'shop-drill-1' } });
  expect(json['checks']).toMatchObject([
    { level: 0, name: 'bytes', ok: true },
    { level: 1, name: 'archive', ok: true },
  ]);
});

test('a drill of a part says so', () => {
  const evidence = evidenceOf(CHECKS.slice(0, 2), { components: ['volume/media' as never] });
  expect(drillClosing(evidence, nowhere, NOW, plain)).toContain('(only volume/media)');
});
