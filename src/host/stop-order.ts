import type { SystemdUnit } from './systemd.ts';

const FRONTS = /^(?:nginx|apache2|httpd|caddy|haproxy|lighttpd|traefik)\.service$/;

/** Web servers first, then what triggers others, then whatever is started after another before that: nobody is asked by somebody still running. */
export function stopOrder(units: readonly SystemdUnit[]): readonly SystemdUnit[] {
  const rank = ({ name }: SystemdUnit): number => (FRONTS.test(name) ? 0 : name.endsWith('.service') ? 2 : 1);
  const sorted = units.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  const ordered: SystemdUnit[] = [];
  const visit = (unit: SystemdUnit, above: readonly string[]): void => {
    if (ordered.includes(unit) || above.includes(unit.name)) return;
    for (const later of sorted) if (later.after.includes(unit.name) && rank(later) >= rank(unit)) visit(later, [...above, unit.name]);
    ordered.push(unit);
  };
  for (const unit of sorted) visit(unit, []);
  return ordered;
}
