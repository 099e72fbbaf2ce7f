#!/bin/sh
# Becomes redis-server with /etc/redis/redis.conf and what only this pod knows; arguments win over both.
#
#   POD_IP            announced to the other nodes, so a pod that comes back elsewhere is found again
#   CLUSTER_ENABLED   yes (default), or no: one Redis alone, for instance the message broker
#   REDIS_PASSWORD    asked of clients and given to other nodes; none by default
#   BUS_PORT          where the nodes of a cluster speak with each other; 16379 by default. Two clusters
#                     whose pods may come to have each other's old addresses need different ones.
#   PEERS             host names of the cluster's pods, separated by spaces. After a restart of all of
#                     them at once, every nodes.conf holds old addresses only: then they are looked up
#                     and met anew. A node that belongs to no cluster yet meets nobody.
set -eu
umask 077

cluster=${CLUSTER_ENABLED:-yes}
settings="include /etc/redis/redis.conf
dir /data
cluster-enabled $cluster"

if [ "$cluster" = yes ]; then
  : "${POD_IP:?is not set: take it from status.podIP}"
  settings="$settings
cluster-config-file /data/nodes.conf
cluster-port ${BUS_PORT:-16379}
cluster-announce-ip $POD_IP"
elif [ -n "${POD_IP:-}" ]; then
  settings="$settings
replica-announce-ip $POD_IP"
fi

if [ -n "${REDIS_PASSWORD:-}" ]; then
  settings="$settings
requirepass \"$REDIS_PASSWORD\"
masterauth \"$REDIS_PASSWORD\""
  export REDISCLI_AUTH="$REDIS_PASSWORD"  # for meeting peers, below
fi

meet_peers() {
  # Other pods may come back later than this one: asked for again during a good minute.
  for _ in $(seq 20); do
    sleep 3
    for peer in $PEERS; do
      address=$(getent ahostsv4 "$peer" | awk 'NR == 1 { print $1 }') || continue
      [ -z "$address" ] || [ "$address" = "$POD_IP" ] ||
        redis-cli cluster meet "$address" 6379 "${BUS_PORT:-16379}" >/dev/null 2>&1 || true
    done
  done
}

# More than one line of nodes besides "vars": this node had company before it was stopped.
if [ "$cluster" = yes ] && [ -n "${PEERS:-}" ] &&
  [ "$(grep -c '@' /data/nodes.conf 2>/dev/null || true)" -gt 1 ] 2>/dev/null; then
  meet_peers &
fi

# By standard input: the password is in no argument that `ps` shows, and in no file.
exec redis-server - "$@" <<SETTINGS
$settings
SETTINGS
