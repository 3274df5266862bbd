import type { EngineContainer } from '../domain/engine-model.ts';
import { imageNames } from './image-name.ts';

export interface RecognisedEngine {
  /** For people and labels: `mysql`, `redis`. */
  readonly engine: string;
  readonly why: string;
}

interface KnownEngine {
  readonly engine: string;
  /** Last part of the image's name. */
  readonly names: readonly string[];
  /** Variables baked into the image, inherited by images built from it. */
  readonly baked: readonly string[];
}

const KNOWN: readonly KnownEngine[] = [
  { engine: 'mariadb', names: ['mariadb', 'mariadb-galera', 'mariadb-server'], baked: ['MARIADB_VERSION'] },
  {
    engine: 'mysql',
    names: ['mysql', 'mysql-server', 'community-server', 'enterprise-server', 'percona', 'percona-server', 'percona-xtradb-cluster'],
    baked: ['MYSQL_VERSION', 'MYSQL_MAJOR'],
  },
  {
    engine: 'mongodb',
    names: [
      'mongo',
      'mongodb',
      'mongodb-community-server',
      'mongodb-enterprise-server',
      'mongodb-atlas-local',
      'percona-server-mongodb',
      'mongodb-sharded',
    ],
    baked: ['MONGO_VERSION', 'MONGO_MAJOR'],
  },
  { engine: 'valkey', names: ['valkey', 'valkey-bundle', 'valkey-cluster'], baked: ['VALKEY_VERSION'] },
  {
    engine: 'redis',
    names: ['redis', 'redis-stack', 'redis-stack-server', 'redis-cluster', 'redis-alpine', 'keydb', 'eqalpha_keydb', 'dragonfly'],
    baked: ['REDIS_VERSION'],
  },
  { engine: 'mssql', names: ['mssql', 'azure-sql-edge', 'mssql-server', 'mssql-server-linux'], baked: ['MSSQL_RPC_PORT'] },
  { engine: 'elasticsearch', names: ['elasticsearch', 'elasticsearch-oss', 'elasticsearch-wolfi'], baked: ['ELASTIC_CONTAINER'] },
  { engine: 'opensearch', names: ['opensearch', 'data-prepper'], baked: ['OPENSEARCH_HOME'] },
  { engine: 'influxdb', names: ['influxdb', 'influxdb3-core', 'influxdb2'], baked: ['INFLUXDB_VERSION', 'INFLUX_CLI_VERSION'] },
  { engine: 'cassandra', names: ['cassandra', 'scylla', 'dse-server'], baked: ['CASSANDRA_VERSION', 'CASSANDRA_HOME'] },
  { engine: 'clickhouse', names: ['clickhouse', 'clickhouse-server'], baked: ['CLICKHOUSE_CONFIG'] },
  { engine: 'couchdb', names: ['couchdb', 'couchdb3'], baked: ['COUCHDB_VERSION'] },
  { engine: 'couchbase', names: ['couchbase', 'couchbase-server'], baked: ['CB_VERSION'] },
  { engine: 'neo4j', names: ['neo4j'], baked: ['NEO4J_HOME', 'NEO4J_SHA256'] },
  { engine: 'rabbitmq', names: ['rabbitmq'], baked: ['RABBITMQ_VERSION', 'RABBITMQ_DATA_DIR'] },
  { engine: 'etcd', names: ['etcd'], baked: ['ETCD_VERSION'] },
  { engine: 'cockroachdb', names: ['cockroach'], baked: ['COCKROACH_CHANNEL'] },
  { engine: 'arangodb', names: ['arangodb'], baked: ['ARANGO_VERSION'] },
  { engine: 'rethinkdb', names: ['rethinkdb'], baked: ['RETHINKDB_PACKAGE_VERSION'] },
  { engine: 'solr', names: ['solr'], baked: ['SOLR_VERSION', 'SOLR_DIST'] },
  { engine: 'kafka', names: ['kafka', 'cp-kafka'], baked: ['KAFKA_VERSION'] },
  { engine: 'zookeeper', names: ['zookeeper', 'cp-zookeeper'], baked: ['ZOOCFGDIR'] },
  { engine: 'meilisearch', names: ['meilisearch'], baked: ['MEILI_SERVER_PROVIDER'] },
  { engine: 'qdrant', names: ['qdrant'], baked: [] },
  { engine: 'oracle', names: ['oracle-free', 'oracle-xe', 'free', 'oracledatabase'], baked: ['ORACLE_SID'] },
];

/**
 * A database or broker that keeps its files consistent only through itself and has no adapter (PostgreSQL is not in this list).
 * Copying its files while it runs is no backup. Null where nothing is recognised.
 */
export function recogniseEngine(
  container: Pick<EngineContainer, 'image' | 'imageTags' | 'imageDigests' | 'imageEnvironment'>,
): RecognisedEngine | null {
  const names = imageNames(container);
  for (const name of names) {
    const parts = name.split('/');
    const last = parts.at(-1) ?? '';
    // Microsoft's image is `mssql/server`, Oracle's `database/free`: the last part alone says nothing there.
    const known =
      KNOWN.find(({ names: candidates }) => candidates.includes(last) && (last !== 'free' || parts.includes('database'))) ??
      (/(^|\/)mssql\/server$/.test(name) ? KNOWN.find(({ engine }) => engine === 'mssql') : undefined);
    if (known !== undefined) return { engine: known.engine, why: `image ${name}` };
  }
  for (const { engine, baked } of KNOWN) {
    const variable = baked.find((candidate) => container.imageEnvironment[candidate] !== undefined);
    if (variable !== undefined) return { engine, why: `${variable} in the image's environment` };
  }
  return null;
}
