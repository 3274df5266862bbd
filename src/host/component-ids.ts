import { componentId, type ComponentId } from '../domain/component.ts';
import { McadsError } from '../errors.ts';

/** Each is restored by its id alone. Rejects `config`. */
export function assertIdsDiffer(
  components: readonly { readonly id: ComponentId; readonly path: string }[],
  named: Readonly<Record<string, string>>,
): void {
  const byId = Map.groupBy(components, ({ id }) => id);
  for (const [id, [first, second]] of byId) {
    if (first === undefined || second === undefined) continue;
    const name = Object.keys(named).find((one) => componentId('files', one) === id);
    throw new McadsError('config', `${id} would be both ${first.path} and ${second.path}`, {
      hint:
        name === undefined
          ? 'leave one of them out'
          : `give it another name under \`host: components:\`, or move the part itself with \`host: paths: {${name}: …}\``,
    });
  }
}
