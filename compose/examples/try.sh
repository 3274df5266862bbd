#!/bin/sh
# Brings an example up, backs it up and restores it: the Compose stack where a Docker engine answers, else an installation on a plain host.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)

if docker compose version >/dev/null 2>&1 && docker version >/dev/null 2>&1; then
  project=$examples/mcads
  docker compose --project-directory "$project" up -d --wait
else
  # A folder of our own: nobody else's files are taken for the example, nor what an interrupted run left.
  project=$(mktemp -d "${TMPDIR:-/tmp}/mcads-host-example.XXXXXX")
  echo "No Docker engine answers: the example without Docker is set up in $project."
  export MCADS_STRATEGY=host # whatever address of an engine may be configured
  cp -R "$examples/mcads-host/." "$project"
  # An example leaves the units of this machine alone.
  printf 'host:\n  services: []\n' >"$project/mcads.yaml"
  python3 "$project/seed.py"
fi

run() {
  printf '\n$ npx mcads-orchestrate --project-directory %s' "$project"
  printf ' %s' "$@"
  echo
  (cd "$examples/../.." && npx mcads-orchestrate --project-directory "$project" "$@")
}
run backup
run restore latest --yes
