# shellcheck shell=bash
# A throw-away PostgreSQL cluster for tests, benchmarks and development, never run as root.
# To be sourced after common.sh; who sources it calls `postgres_stop` in its EXIT trap.
#
#   postgres_require                finds the server's programs or installs them; sets POSTGRES_BIN
#   postgres_start [NAME=VALUE]...  starts a cluster, with further settings; sets POSTGRES_URL, POSTGRES_VERSION,
#                                   POSTGRES_PORT and POSTGRES_DIR (`data/`, `log`, the socket)
#   postgres_control ARGUMENT...    pg_ctl on that cluster, such as `restart -m immediate`
#   postgres_stop                   stops it at once and removes it; harmless when none was started
#
# KEYWRIGHT_TEST_POSTGRES_BIN names the directory of initdb and postgres, to try a certain version.

POSTGRES_OLDEST=13
POSTGRES_DIR=

# Prints the directories that may hold the server's programs, the preferred first.
postgres_candidates() {
  if [[ -n ${KEYWRIGHT_TEST_POSTGRES_BIN:-} ]]; then
    echo "$KEYWRIGHT_TEST_POSTGRES_BIN"
    return
  fi
  pg_config --bindir 2>/dev/null || true
  printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
  echo /usr/local/pgsql/bin
  local initdb
  if initdb=$(command -v initdb); then dirname "$(readlink -f "$initdb")"; fi
}

postgres_find() {
  local directory version
  while read -r directory; do
    [[ -x $directory/initdb && -x $directory/pg_ctl && -x $directory/postgres ]] || continue
    version=$("$directory/postgres" --version | grep -oE '[0-9]+' | head -n 1)
    ((version >= POSTGRES_OLDEST)) || continue
    POSTGRES_BIN=$directory POSTGRES_VERSION=$version
    return 0
  done < <(postgres_candidates)
  return 1
}

postgres_require() {
  postgres_find && return
  [[ -z ${KEYWRIGHT_TEST_POSTGRES_BIN:-} ]] || die "no PostgreSQL $POSTGRES_OLDEST or newer in $KEYWRIGHT_TEST_POSTGRES_BIN"
  apt_install postgresql || die "PostgreSQL $POSTGRES_OLDEST or newer is needed: its server programs were not found"
  # The package starts a server of its own, which nothing here wants.
  local version name status _
  while read -r version name _ status _; do
    [[ $status != online* ]] || as_root pg_ctlcluster "$version" "$name" stop || true
  done < <(pg_lsclusters --no-header 2>/dev/null)
  postgres_find || die "PostgreSQL $POSTGRES_OLDEST or newer is needed: the package does not hold it"
}

# Runs a command as whom the server runs as, since PostgreSQL refuses root.
postgres_as_owner() (
  cd "$POSTGRES_DIR" || exit
  export HOME=$POSTGRES_DIR LC_ALL=C
  ((EUID != 0)) || set -- setpriv --reuid "$POSTGRES_OWNER" --regid "$(id -g "$POSTGRES_OWNER")" --init-groups -- "$@"
  exec "$@"
)

# Makes POSTGRES_DIR where its owner can reach it and a socket's path (107 bytes at most) fits.
postgres_make_directory() {
  POSTGRES_OWNER=$(id -un)
  if ((EUID == 0)); then
    POSTGRES_OWNER=nobody
    ! id postgres >/dev/null 2>&1 || POSTGRES_OWNER=postgres
  fi
  local base
  for base in "${TMPDIR:-/tmp}" /tmp; do
    ((${#base} <= 60)) || continue
    POSTGRES_DIR=$(mktemp -d "$base/keywright-postgres.XXXXXX")
    ((EUID != 0)) || chown "$POSTGRES_OWNER:" "$POSTGRES_DIR"
    ! postgres_as_owner test -w "$POSTGRES_DIR" 2>/dev/null || return 0
    rmdir "$POSTGRES_DIR"
  done
  POSTGRES_DIR=
  return 1
}

# Sorts text as most deployments do, not by bytes, so that a query that leans on byte order shows;
# where the server was built without ICU, by bytes.
postgres_initialize() {
  local log=$POSTGRES_DIR/initdb.log common=(
    "$POSTGRES_BIN/initdb" --pgdata="$POSTGRES_DIR/data" --username=keywright --pwfile=password --auth=scram-sha-256
    --encoding=UTF8 --locale=C --no-sync)
  echo keywright >"$POSTGRES_DIR/password"
  chmod 644 "$POSTGRES_DIR/password"
  if ((POSTGRES_VERSION >= 15)) &&
    postgres_as_owner "${common[@]}" --locale-provider=icu --icu-locale=und >"$log" 2>&1; then
    return
  fi
  rm -rf "$POSTGRES_DIR/data"
  postgres_as_owner "${common[@]}" >"$log" 2>&1
}

# Without fsync a crash of the machine may ruin the cluster; a crash of the server alone still
# loses nothing that it acknowledged.
postgres_configure() {
  local setting
  {
    echo "listen_addresses = '127.0.0.1'"
    echo "unix_socket_directories = '$POSTGRES_DIR'"
    echo "max_connections = 400"
    echo "fsync = off"
    echo "full_page_writes = off"
    echo "synchronous_commit = on"
    for setting in "$@"; do echo "${setting%%=*} = '${setting#*=}'"; done
  } >>"$POSTGRES_DIR/data/postgresql.conf"
}

# Prints a port on which nothing listens, below those that the kernel hands out by itself.
postgres_free_port() {
  local port
  while true; do
    port=$((20000 + RANDOM % 12000))
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

postgres_control() {
  postgres_as_owner "$POSTGRES_BIN/pg_ctl" --pgdata="$POSTGRES_DIR/data" --silent --timeout=60 --log=log "$@"
}

postgres_start() {
  local try
  postgres_require
  postgres_make_directory || die "no directory for temporary files that $POSTGRES_OWNER may use"
  if ! postgres_initialize || ! postgres_configure "$@"; then
    cat "$POSTGRES_DIR/initdb.log" >&2
    die "initdb failed"
  fi
  # Between the choice of a port and its use another program may take it.
  for try in 1 2 3; do
    POSTGRES_PORT=$(postgres_free_port)
    if postgres_control start --options="-p $POSTGRES_PORT" >&2; then
      # shellcheck disable=SC2034 # for who sources this
      POSTGRES_URL=postgres://keywright:keywright@127.0.0.1:$POSTGRES_PORT/postgres
      return
    fi
  done
  cat "$POSTGRES_DIR/log" >&2
  die "PostgreSQL did not start (tried $try times)"
}

postgres_stop() {
  [[ -n $POSTGRES_DIR ]] || return 0
  local pid
  if pid=$(head -n 1 "$POSTGRES_DIR/data/postmaster.pid" 2>/dev/null); then
    kill -CONT "$pid" 2>/dev/null || true # a test may have paused it
    postgres_control stop -m immediate >/dev/null 2>&1 || kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -rf "$POSTGRES_DIR"
  POSTGRES_DIR=
}
