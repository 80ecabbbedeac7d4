#: section docs/operations.md ## The operator
#: for ~/.keywright-token => "$HOME"/.keywright-token
(umask 077 && echo "$FIRST" >~/.keywright-token)

#: section docs/operations.md ## Backup and restore
#: operator
#: for /var/lib/keywright/ => "$PWD"/
#: for /backup/ => "$PWD"/backup/
mkdir -p backup
# Each engine has its own means, and a means that is not installed here is not tried.
case $DATABASE_URL in
sqlite:*) pg_dump() { :; } ;;
*)
  cp() { :; }
  sqlite3() { :; }
  ;;
esac
for program in sqlite3 pg_dump; do
  command -v "$program" >/dev/null || eval "$program() { echo SKIPPED: $program is not here; touch backup/keywright.skipped; }"
done
#: after
ls backup | grep keywright

#: section docs/operations.md ### A token leaked
#: operator
#: for NAME => leaked
keywright token create --name leaked --permissions works:read --quiet
#: after
keywright token show --identifier leaked | grep -q revoked

#: section docs/operations.md ### You cannot tell which, or somebody had the first token
#: operator

#: section docs/operations.md ### Somebody had the database
#: operator
#: for SEQ:MAC => "$HEAD"
HEAD=$(keywright events verify | sed -n 's/^head: //p')

#: section docs/operations.md ### A machine is lost for good
#: operator
#: stopped
#: for /mnt/lost/journal => "$PWD"/journal
