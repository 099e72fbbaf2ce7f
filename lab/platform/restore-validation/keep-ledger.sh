# Decides which servers the ledger writes to, and becomes the ledger. The argument is the subject.
#
#   orders   PostgreSQL's primary, if it is of the cluster that was met first: its system identifier is kept
#            beside the journals. Another cluster under the same name is refused until that file is removed.
#   carts    Redis: the masters of now; later ones are found by asking them.
set -euo pipefail

folder=/evidence/ledger
# Until the database answers: at the platform's first start it takes some minutes.
persist() { until "$@"; do sleep 2; done; }

identify() {
  psql --no-psqlrc --no-align --tuples-only --output="$known.part" \
    --command='SELECT system_identifier FROM pg_control_system()' &&
    [[ -s $known.part ]] && mv "$known.part" "$known"
}

find_masters() {
  [[ $(redis-cli -h "$REDIS_HOST" cluster info) == *cluster_state:ok* ]] &&
    masters=$(redis-cli -h "$REDIS_HOST" cluster nodes | awk '
      $3 ~ /master/ && $3 !~ /fail/ && NF > 8 {
        split($2, address, /[:@]/)
        printf "%s[\"%s\", %d]", separator, address[1], address[2]
        separator = ", "
      }') && [[ -n $masters ]]
}

mkdir -p "$folder"
case $1 in
  orders)
    known=$folder/orders.identifier
    [[ -s $known ]] || persist identify
    endpoint='"type": "postgresql", "port": 5432'
    endpoint+=", \"host\": \"$PGHOST\", \"database\": \"$PGDATABASE\", \"user\": \"$PGUSER\""
    endpoint+=", \"system_identifier\": \"$(<"$known")\""
    ;;
  carts)
    persist find_masters
    endpoint="\"type\": \"redis\", \"cluster\": true, \"nodes\": [$masters]"
    ;;
esac

cat >/tmp/ledger.json <<JSON
{"subject": "$1", "directory": "$folder/$1", "endpoint": {$endpoint}, "rate_per_s": 10}
JSON
exec harness ledger write --config /tmp/ledger.json
