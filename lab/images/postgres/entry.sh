#!/bin/sh
# Tells Patroni who it is, from what the platform knows of the pod, and becomes Patroni.
#
# Needs POD_NAME, POD_IP and POD_NAMESPACE (the downward API). PATRONI_* that are set already win.
set -eu
umask 077

: "${POD_NAME:?is not set: take it from metadata.name}"
: "${POD_IP:?is not set: take it from status.podIP}"
: "${POD_NAMESPACE:?is not set: take it from metadata.namespace}"

export PATRONI_NAME="${PATRONI_NAME:-$POD_NAME}"
export PATRONI_KUBERNETES_POD_IP="$POD_IP"
export PATRONI_KUBERNETES_NAMESPACE="${PATRONI_KUBERNETES_NAMESPACE:-$POD_NAMESPACE}"
export PATRONI_POSTGRESQL_CONNECT_ADDRESS="${PATRONI_POSTGRESQL_CONNECT_ADDRESS:-$POD_IP:5432}"
export PATRONI_RESTAPI_CONNECT_ADDRESS="${PATRONI_RESTAPI_CONNECT_ADDRESS:-$POD_IP:8008}"

# A volume's own mode is the platform's choice (fsGroup: 2775); PostgreSQL wants 700 for its own.
mkdir -p /data/pg
chmod 700 /data/pg

exec patroni "${PATRONI_CONFIGURATION_FILE:-/etc/patroni/patroni.yml}"
