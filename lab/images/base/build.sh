#!/usr/bin/env bash
# Writes the root file system that every lab image stands on: Debian 12 with apt and certificates.
#
#   build.sh OUT.tar [SOURCES...]      SOURCES: apt source files, those of this machine by default
#
# It stands in for the public debian:12-slim where no image registry can be reached; the same files
# are left out (manual pages, translations, most of the docs), also from what is installed later.
# Needs mmdebstrap, and root or user namespaces. The caller makes an image of OUT.tar, for instance
#
#   c=$(buildah from scratch) && buildah add -q "$c" OUT.tar / &&
#   buildah commit -q --rm "$c" localhost/harness/base:lab
#
# APT_SETTINGS may name a file of apt settings that are needed while building; it is not kept.
set -euo pipefail

[[ $# -ge 1 ]] || { echo "usage: $0 OUT.tar [SOURCES...]" >&2; exit 2; }
readonly SUITE=bookworm OUT=$1
shift

sources=("$@")
if ((${#sources[@]} == 0)); then
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [[ ! -s $file ]] || sources+=("$file")  # an empty list is no mirror
  done
fi
((${#sources[@]})) || { echo "$0: no apt sources found: name a file" >&2; exit 2; }

# dpkg follows these in the image, too: what is installed into it later stays as small.
leave_out=()
for path in '/usr/share/doc/*' '/usr/share/info/*' '/usr/share/lintian/*' '/usr/share/linda/*' \
  '/usr/share/locale/*' '/usr/share/man/*'; do
  leave_out+=("--dpkgopt=path-exclude=$path")
done

settings=()
[[ -z ${APT_SETTINGS:-} ]] || settings=("--aptopt=$APT_SETTINGS")

# The variant `apt` is the essential packages and apt. The hooks make /bin and /lib links beforehand,
# which spares the package usrmerge and all of Perl. Licences stay: redistribution asks for them.
exec mmdebstrap --quiet --variant=apt --include=ca-certificates \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  "${leave_out[@]}" --dpkgopt='path-include=/usr/share/doc/*/copyright' "${settings[@]}" \
  --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"' \
  --customize-hook='printf "Acquire::Languages \"none\";\n" >"$1/etc/apt/apt.conf.d/no-languages"' \
  --customize-hook='rm -rf "$1"/var/log/*.log "$1"/var/log/apt "$1"/var/cache/debconf/*-old' \
  "$SUITE" "$OUT" "${sources[@]}"
