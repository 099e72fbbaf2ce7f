# Decides when PostgreSQL is backed up: when a day has passed since the last backup began, by the member that is
# the primary then. Runs beside each member, so that it moves with the primary and needs nothing of the
# Kubernetes API; pgBackRest reads the data directory itself.
set -euo pipefail

every=$((24 * 60 * 60))

# Bash as a container's first process ends at a signal only if it says so.
trap 'kill $(jobs -p) 2>/dev/null || true; exit' TERM INT
interruptible() { "$@" & wait $!; }

is_primary() {
  [[ $(psql -XAtq --host=/run/postgresql --username=postgres --dbname=postgres \
    --command='SELECT pg_is_in_recovery()' 2>/dev/null) == f ]]
}

last_begun() { # nothing where there is no repository; 0 where there is no backup in it
  pgbackrest --stanza=platform info --output=json | python3 -c '
import json, sys
for stanza in json.load(sys.stdin):
    if stanza["status"]["code"] in (0, 2):  # ok; no valid backup
        print(max((backup["timestamp"]["start"] for backup in stanza["backup"]), default=0))'
}

while interruptible sleep 5; do
  is_primary || continue
  begun=$(last_begun) || continue
  [[ -n $begun ]] || continue
  if (($(date +%s) - begun < every)); then
    interruptible sleep 60
  elif interruptible pgbackrest --stanza=platform --type=full backup; then
    echo "backed up: $(date --utc +%FT%TZ)"
  else
    interruptible sleep 60 # the reason is above; the last backup's age is what monitoring sees
  fi
done
