#!/bin/sh
# A second database and a role that owns it: what a backup of the one database alone would lose.
set -eu

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE reporting LOGIN PASSWORD 'reporting-example';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporting;
CREATE DATABASE statistics OWNER reporting;
\connect statistics
CREATE TABLE daily_count (day date PRIMARY KEY, images integer NOT NULL);
ALTER TABLE daily_count OWNER TO reporting;
INSERT INTO daily_count SELECT date '2025-01-01' + n, (n * 7919) % 97 FROM generate_series(0, 364) AS n;
SQL
