# shellcheck shell=bash
# What the scripts share. To be sourced under `set -euo pipefail`.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

# Runs a command as root: directly, or through sudo, which asks for a password only on a terminal.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif ! command -v sudo >/dev/null; then
    say "not root and no sudo: cannot run $*"
    return 1
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# Installs Debian packages.
apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
  command -v apt-get >/dev/null || {
    say "no apt-get here: install by hand what Debian calls $*"
    return 1
  }
  say "installing $*"
  as_root "${apt[@]}" update >&2 && as_root "${apt[@]}" install -y --no-install-recommends "$@" >&2
}

# The linker of Rust itself, and the C of SQLite, AWS-LC and jemalloc, which is built by make.
require_c_compiler() {
  { command -v cc && command -v make; } >/dev/null || apt_install gcc libc6-dev make
}
