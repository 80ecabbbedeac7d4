# A machine of its own for the blocks that install: everything lies below $TOP, all rights are those of whoever runs this, and
# the service manager starts what the unit says, and nothing else.
TOP=$PWD/machine
rm -rf "$TOP"
mkdir -p "$TOP"/{usr/local/bin,usr/local/share/man/man1,usr/share/bash-completion/completions} \
  "$TOP"/etc/{keywright,systemd/system} "$TOP/checkout"
unset DATABASE_URL KEYWRIGHT_MASTER_KEY KEYWRIGHT_JOURNAL__DIR KEYWRIGHT_URL KEYWRIGHT_TOKEN
export KEYWRIGHT_SERVER__LISTEN=127.0.0.1:0
cd "$TOP/checkout"
cp -R "$ROOT/packaging" .

# Paths as they are on this machine.
machined() { sed "s#/usr/local/#$TOP/usr/local/#g; s#/etc/#$TOP/etc/#g; s#/var/lib/#$TOP/var/lib/#g"; }

# The program, as the release has it or a build makes it.
place() {
  mkdir -p "$(dirname "$1")"
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$PROGRAM" >"$1"
  chmod 0755 "$1"
}

machined <packaging/systemd/keywright.toml >keywright.toml
mv keywright.toml packaging/systemd/
SERVED=

sudo() {
  if [ "$1" = -u ]; then shift 2; fi
  case $1 in keywright) PATH=$TOP/usr/local/bin:$PATH command "$@" ;; *) "$@" ;; esac
}
systemd-sysusers() { grep -q '^u keywright ' "$TOP/usr/lib/sysusers.d/$1"; }
systemd-tmpfiles() {
  grep -q '^d /var/lib/keywright ' "$TOP/usr/lib/tmpfiles.d/$2"
  mkdir -p -m 0700 "$TOP/var/lib/keywright"
}
systemctl() {
  case $1 in
  daemon-reload) ;;
  enable)
    local starts
    starts=$(sed -n 's/^ExecStart=//p' "$TOP/etc/systemd/system/$3.service" | machined)
    $starts >"$TOP/log" 2>&1 &
    SERVED=$!
    eventually test -S "$TOP/var/lib/keywright/keywright.db.sock"
    ;;
  *) return 1 ;;
  esac
}

trap '[ -z "$SERVED" ] || kill "$SERVED" 2>/dev/null' EXIT

# The service ends as the service manager ends it.
leave() { kill "$SERVED" && wait "$SERVED" && SERVED=; }
