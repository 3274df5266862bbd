#!/bin/sh
# Runs inside the tool's image, as a service of the project that it destroys and brings back: see docker-compose.test.yml.
# Ends with 0 when everything came back equal, with 40 when SABOTAGE damaged the backup and the drill found it, with 1 otherwise.
set -eu

project=$(node /story/engine.mjs project)
# The volume is this story's own. A run finds its own backups only, not those of an earlier one.
export MCADS_REPOSITORY=/backups
find "$MCADS_REPOSITORY" -mindepth 1 -delete

step() { printf '\n== %s\n' "$*"; }
fail() { printf '== FAILED: %s\n' "$*" >&2; exit 1; }
in_service() { node /story/engine.mjs exec "$@"; }
sql() { in_service db psql -XAqt -v ON_ERROR_STOP=1 -U shop -d shop -c "$1"; }
tool() { mcads-orchestrate --project-name "$project" --progress plain "$@"; }

# Every row, and every file with its owner, mode, time and content.
state() {
  sql "select count(*), md5(string_agg(o::text, ',' order by id)) from orders o"
  in_service app sh -ec 'cd /uploads; find . -mindepth 1 -printf "%p %y %m %U:%G %T@ %l\n" | sort; find . -type f -exec sha256sum {} + | sort -k 2'
}

step "the project $project gets data"
tries=0
until in_service db pg_isready -q -h 127.0.0.1 -U shop; do
  tries=$((tries + 1))
  [ "$tries" -lt 120 ] || fail 'PostgreSQL does not start'
  sleep 1
done
sql "set client_min_messages = warning;
  drop table if exists orders;
  create table orders (id int primary key, what text not null, price numeric(10, 2) not null);
  insert into orders select i, 'order ' || md5(i::text), i * 1.25 from generate_series(1, 10000) i;
  create index orders_by_price on orders (price)"
in_service app sh -ec 'cd /uploads; find . -mindepth 1 -delete
  mkdir -m 0750 pictures; chown 1000:1000 pictures
  head -c 3000000 /dev/urandom > pictures/xray.bin; chmod 0640 pictures/xray.bin
  echo "not in ASCII" > "pictures/Größe 1.txt"; ln -s xray.bin pictures/newest; touch -d "2020-02-29 12:34:56.789" pictures/xray.bin'
before=$(state)
printf '%s\n' "$before"

step 'backup'
tool backup

if [ -n "${SABOTAGE:-}" ]; then
  step 'sabotage: 16 bytes of the largest chunk change'
  chunk=$(find "$MCADS_REPOSITORY/chunks" -type f -printf '%s %p\n' | sort -rn | sed -n '1s/^[0-9]* //p')
  printf 'damaged by test!' | dd of="$chunk" bs=1 seek=1000 conv=notrunc 2>/dev/null
fi

step 'the data is destroyed'
sql 'drop table orders'
in_service app find /uploads -mindepth 1 -delete
[ -z "$(in_service app find /uploads -mindepth 1)" ] || fail 'the files are still there'

if [ -n "${SABOTAGE:-}" ]; then
  step 'restore, which must refuse a damaged backup (30)'
  code=0
  tool restore latest --yes || code=$?
  [ "$code" -eq 30 ] || fail "it ended with $code"
else
  step 'restore'
  tool restore latest --yes --keep-old 0
fi

step 'drill'
code=0
tool drill latest || code=$?
[ "$code" -eq 0 ] || exit "$code"
[ -z "${SABOTAGE:-}" ] || fail 'the drill did not see that the backup is damaged'

step 'everything is as it was before'
after=$(state)
printf '%s\n' "$after"
[ "$after" = "$before" ] || fail 'what came back is not what was there'
