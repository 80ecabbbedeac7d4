#: section docs/deployment.md ## With systemd
#: sqlite
#: for /usr/ => "$TOP"/usr/
#: for /etc/ => "$TOP"/etc/
. "$PAGES/machine.sh"
place keywright
mkdir completions
keywright completions bash >completions/keywright.bash
#: after
test -s "$TOP/usr/local/share/man/man1/keywright.1"
leave

#: section README.md ## In production
#: sqlite
#: for /usr/ => "$TOP"/usr/
#: for /etc/ => "$TOP"/etc/
. "$PAGES/machine.sh"
cargo() { place target/dist/keywright; }
block toml | machined >"$TOP/etc/keywright/keywright.toml"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
  -keyout "$TOP/etc/keywright/tls.key" -out "$TOP/etc/keywright/tls.crt" 2>/dev/null
#: after
leave

#: section docs/deployment.md ## Behind a proxy
#: sqlite
# On a machine with nginx: what nginx itself says of it.
mkdir -p nginx
block nginx | sed "s#/etc/ssl/private/#$PWD/nginx/#; s#/etc/ssl/#$PWD/nginx/#; s#listen 443#listen 127.0.0.1:8443#" >nginx/proxy.conf
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
  -keyout nginx/auth.example.com.key -out nginx/auth.example.com.crt 2>/dev/null
{
  printf 'pid %s/nginx/pid;\nevents {}\nhttp {\naccess_log off;\n' "$PWD"
  for kind in client_body proxy fastcgi uwsgi scgi; do printf '%s_temp_path %s/nginx/%s;\n' "$kind" "$PWD" "$kind"; done
  printf 'include %s/nginx/proxy.conf;\n}\n' "$PWD"
} >nginx/main.conf
#: after
if command -v nginx >/dev/null; then nginx -t -p "$PWD/nginx" -c "$PWD/nginx/main.conf" -e "$PWD/nginx/log"; fi
