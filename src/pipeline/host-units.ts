import type { ComponentId } from '../domain/component.ts';
import type { HostApplication } from '../domain/host.ts';

/** Names of the units whose files name a component. */
export function unitsOf({ units }: HostApplication, id: ComponentId): readonly string[] {
  return units.filter(({ uses }) => uses.includes(id)).map(({ name }) => name);
}
