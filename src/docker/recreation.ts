import type { EngineState } from '../domain/engine-model.ts';
import type { Recreation, RecreationOptions } from '../domain/restore.ts';
import { COMPOSE_ONEOFF, SWARM_SERVICE } from './labels.ts';
import { recreatedContainers } from './recreation-containers.ts';
import { labelsOf, objectAt } from './recreation-json.ts';
import { isOwned, recordedName, RecreationNames } from './recreation-names.ts';
import { recreatedNetworks } from './recreation-networks.ts';
import { recreatedVolumes } from './recreation-volumes.ts';

/**
 * What `Engine.recreation` promises: from recorded inspect JSON to bodies for the Engine API. With the names and labels that Compose knows them
 * by, so that `docker compose up` takes everything as its own and makes nothing again.
 */
export function recreation(state: EngineState, options: RecreationOptions): Recreation {
  const mine = state.containers.filter((container) => isOwned(objectAt(container, 'Config'), options.project.from));
  const lasting = mine.filter((container) => labelsOf(objectAt(container, 'Config'))[COMPOSE_ONEOFF]?.toLowerCase() !== 'true');
  const containers = lasting.filter((container) => labelsOf(objectAt(container, 'Config'))[SWARM_SERVICE] === undefined);
  const names = new RecreationNames(state, containers, options);
  for (const container of lasting)
    if (!containers.includes(container)) names.tell(`${recordedName(container)} is a task of a Swarm service, which makes it itself`);
  const { directory } = options;
  if (directory !== null && directory.from !== directory.to && !options.beside)
    names.tell(`the project lives in ${directory.to} instead of ${directory.from}`);
  return {
    networks: recreatedNetworks(state, containers, names),
    volumes: recreatedVolumes(state, containers, names),
    containers: recreatedContainers(state, containers, names),
    changes: [...names.changes],
  };
}
