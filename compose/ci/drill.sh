#!/bin/sh
# A restore drill for any CI system or cron: one backup's proof, as a job that is red when it does not hold.
# Needs Docker, and the repository where the backups are (read-only is enough).
#
#   MCADS_REPOSITORY=/mnt/backups/shop ./drill.sh [further options of `mcads-orchestrate drill`]
set -eu
: "${MCADS_REPOSITORY:?set it to the folder with the backups}"
results="${RESULTS:-./drill-results}"
mkdir -p "$results"
exec npx --yes mcads-orchestrate drill --oldest-proof --max-duration 1h \
  --output "$results/drill.md" --junit "$results/drill.xml" --log-dir "$results" "$@"
