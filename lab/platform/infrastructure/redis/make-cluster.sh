# Makes one Redis cluster of the pods of a StatefulSet: masters on different nodes where there are enough,
# and no replica on its master's node where that can be avoided. What is done already is left as it is, so
# it may run again, also after it was killed half-way or after a failover.
#
#   NAME      of the StatefulSet; its headless Service is NAME-nodes
#   MASTERS   how many
#   REPLICAS  of each master: 0 or 1
#
# Not `redis-cli --cluster create`: it keeps master and replica apart by address, and every pod has one of
# its own; and it refuses nodes with which it was interrupted. The node's name is what each pod announces.
set -euo pipefail

total=$((MASTERS * (1 + REPLICAS)))
pods=$(seq 0 $((total - 1)))
declare -a address node masters=() replicas=() replica_of=()

ask() { redis-cli -e -h "${address[$1]}" "${@:2}"; } # -e: an error reply is a failure, too
setting() { ask "$1" config get "$2" | tail -n 1; }
# The Job's deadline ends this.
persist() { until "$@"; do sleep 1; done; }

answers() {
  address[$1]=$(getent ahostsv4 "$NAME-$1.$NAME-nodes" | awk 'NR == 1 { print $1 }')
  [[ -n ${address[$1]} && $(ask "$1" ping) == PONG ]]
}

choose_masters() {
  local -A used=()
  for pod in $pods; do
    if ((${#masters[@]} < MASTERS)) && [[ -z ${used[${node[pod]}]:-} ]]; then
      masters+=("$pod")
      used[${node[pod]}]=yes
    else
      replicas+=("$pod")
    fi
  done
  while ((${#masters[@]} < MASTERS)); do # fewer nodes than masters
    masters+=("${replicas[0]}")
    replicas=("${replicas[@]:1}")
  done
}

pair() { # the $1th replica and all after it, each with a master of its own, on another node if $2 is "apart"
  (($1 < ${#replicas[@]})) || return 0
  local replica=${replicas[$1]} master
  for master in "${masters[@]}"; do
    [[ -z ${replica_of[master]:-} ]] || continue
    [[ $2 != apart || ${node[replica]} != "${node[master]}" ]] || continue
    replica_of[master]=$replica
    ! pair $(($1 + 1)) "$2" || return 0
    replica_of[master]=
  done
  return 1
}

own_line() { ask "$1" cluster nodes | grep myself; } # id address flags ... then the slots, from the 9th
serves_slots() { [[ $(own_line "$1" | wc -w) -gt 8 ]]; }
is_replica() { [[ $(own_line "$1") == *myself,slave* ]]; }
knows_all() { [[ $(ask "$1" cluster info) == *cluster_known_nodes:"$total"* ]]; }
all_slots_served() { [[ $(ask "$1" cluster info) == *cluster_slots_assigned:16384* ]]; }

give_slots() { # to the $1th master
  local first=$((16384 * $1 / MASTERS)) last=$((16384 * ($1 + 1) / MASTERS - 1))
  serves_slots "${masters[$1]}" || ask "${masters[$1]}" cluster addslotsrange "$first" "$last"
}

attach() { # the pod $1 to the master $2, unless a failover made other use of it
  is_replica "$1" || serves_slots "$1" || ask "$1" cluster replicate "$(ask "$2" cluster myid)"
}

complete() {
  [[ $(ask "$1" cluster info) == *cluster_state:ok* ]] &&
    (($(ask "$1" cluster nodes | awk '$3 ~ /slave/' | wc -l) == total - MASTERS))
}

for pod in $pods; do
  persist answers "$pod"
  node[pod]=$(setting "$pod" cluster-announce-hostname)
  : "${node[pod]:=unknown}"
done
choose_masters
pair 0 apart || {
  echo "too few nodes: a replica is on the node of its master" >&2
  pair 0 anyhow
}

bus=$(setting 0 cluster-port)
((bus)) || bus=16379 # 0 is the default: the port and 10000
for pod in $pods; do
  ((pod == 0)) || ask 0 cluster meet "${address[pod]}" 6379 "$bus"
done
for pod in $pods; do persist knows_all "$pod"; done

if ! all_slots_served 0; then
  for i in "${!masters[@]}"; do give_slots "$i"; done
fi

for master in "${!replica_of[@]}"; do persist attach "${replica_of[master]}" "$master"; done

for pod in $pods; do persist complete "$pod"; done
ask 0 cluster nodes
