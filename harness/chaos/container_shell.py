"""The shell of helper pods that kill one process of a container. Pure.

It finds the container's processes by its id in their control groups (cgroups(7); the container
runtime names the group by it), kills one, and looks until that process is gone. It says when
(harness.chaos.node_clock).
"""

from __future__ import annotations

import shlex

from harness.chaos import node_clock
from harness.errors import SurroundingsError

# Of several, the oldest: a process that somebody started in the container later is none of it.
# proc_pid_stat(5): the name in brackets may hold spaces; the 22nd field is the start time. It is
# read at once with the state, and that one look is judged: between two, a zombie may be reaped.
_SCRIPT = """\
set -eu
container={container}
name={name}
members=" "
for process in /proc/[0-9]*; do
  if grep -q -e "$container" "$process/cgroup" 2>/dev/null; then
    members="$members${{process#/proc/}} "
  fi
done
if [ "$members" = " " ]; then echo "no process of container $container is on this node"; exit 1; fi
started() {{ sed -e 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }}
parent() {{ sed -e 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 2; }}
look() {{ sed -e 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 1,20; }}
called() {{ cat "/proc/$1/comm" 2>/dev/null || true; }}
chosen=
oldest=
for pid in $members; do
  above=$(parent "$pid")
  since=$(started "$pid")
  [ -n "$since" ] || continue
  if [ -n "$name" ]; then
    [ "$(called "$pid")" = "$name" ] || continue
    [ "$(called "$above")" != "$name" ] || continue
  else
    case "$members" in *" $above "*) continue ;; esac
  fi
  if [ -z "$chosen" ] || [ "$since" -lt "$oldest" ]; then chosen=$pid; oldest=$since; fi
done
if [ -z "$chosen" ]; then echo "no process called '$name' is in container $container"; exit 1; fi
what=$(called "$chosen")
{before}
kill -KILL "$chosen"
for _ in $(seq 1000); do
  seen=$(look "$chosen")
  case "$seen" in
  "Z $oldest" | "X $oldest") break ;;
  *" $oldest") sleep 0.02 ;;
  *) break ;;
  esac
done
case "$seen" in
"Z $oldest" | "X $oldest") ;;
*" $oldest") echo "process $chosen ($what) is still there"; exit 1 ;;
esac
{after}
echo "gone process $chosen ($what) of the node"
"""


def kill(container_id: str, name: str = "") -> tuple[str, ...]:
    """Kills (SIGKILL) the container's first process, or its first one called `name`."""
    if not container_id:
        raise ValueError("no container, expected the id of one that runs")
    script = _SCRIPT.format(
        container=shlex.quote(container_id),
        name=shlex.quote(name),
        before=node_clock.BEFORE,
        after=node_clock.AFTER,
    )
    return ("sh", "-c", script)


def killed(said: str) -> str:
    """Which process went, as the script printed it: `process 4711 (postgres) of the node`.

    SurroundingsError where it did not.
    """
    for line in said.splitlines():
        word, _, what = line.partition(" ")
        if word == "gone":
            return what
    raise SurroundingsError(f"helper pod: did not say which process is gone: {said[-200:]!r}")
