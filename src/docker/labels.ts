/** The labels that Compose writes and those by which everything that we make in an engine is found again. */

export const COMPOSE_PROJECT = 'com.docker.compose.project';
export const COMPOSE_SERVICE = 'com.docker.compose.service';
export const COMPOSE_VOLUME = 'com.docker.compose.volume';
export const COMPOSE_NETWORK = 'com.docker.compose.network';
export const COMPOSE_NUMBER = 'com.docker.compose.container-number';
export const COMPOSE_ONEOFF = 'com.docker.compose.oneoff';
export const COMPOSE_CONFIG_HASH = 'com.docker.compose.config-hash';
export const COMPOSE_DEPENDS_ON = 'com.docker.compose.depends_on';
export const COMPOSE_WORKING_DIR = 'com.docker.compose.project.working_dir';
export const COMPOSE_CONFIG_FILES = 'com.docker.compose.project.config_files';
export const COMPOSE_ENVIRONMENT_FILE = 'com.docker.compose.project.environment_file';
export const COMPOSE_VERSION = 'com.docker.compose.version';
/** Id of the image that the container was made from. */
export const COMPOSE_IMAGE = 'com.docker.compose.image';
export const SWARM_SERVICE = 'com.docker.swarm.service.id';

/** On every helper, throwaway, claim and undo container: what it is for. */
export const HELPER = 'mcads.helper';
/** On the same: who made it, an `Owner` as JSON. */
export const OWNER = 'mcads.owner';
/** On claims, undo records and records: the project. */
export const CLAIM_PROJECT = 'mcads.project';
/** On claims: what the project is claimed for. */
export const CLAIM_PURPOSE = 'mcads.claim.purpose';
/** On undo records: JSON steps, and the record's place among those of its claim. */
export const UNDO_STEPS = 'mcads.undo.steps';
export const UNDO_ORDER = 'mcads.undo.order';
/** On the volumes that records are written on: what it is (`restore`, `kept`), its id, `<part>/<parts>`, SHA-256 of all of it, this part, when. */
export const RECORD = 'mcads.record';
export const RECORD_ID = 'mcads.record.id';
export const RECORD_PART = 'mcads.record.part';
export const RECORD_DIGEST = 'mcads.record.digest';
export const RECORD_TEXT = 'mcads.record.text';
export const RECORD_AT = 'mcads.record.at';
/** On images that we imported. */
export const IMPORTED_IMAGE = 'mcads.image';

/** The labels of `compose build` that a container inherits from its image: never wanted on a helper. */
export const NO_COMPOSE_LABELS = { [COMPOSE_PROJECT]: '', [COMPOSE_SERVICE]: '', [COMPOSE_VOLUME]: '' } as const;

/** On everything of a drill's copy, beside DRILL_LABEL: the project that it is a copy of. */
export const DRILL_PROJECT = 'mcads.drill.project';
/** On the mark of a copy that is kept: until when, ISO 8601. */
export const DRILL_UNTIL = 'mcads.drill.until';
