# What a reader has at hand who pastes the blocks of a page. Standard output and errors come together, as on a terminal.
exec 2>&1
failed=0
trap 'failed=$?' ERR

# What follows is left, as a reader leaves it, once there is something to read.
keywright() {
  case " $* " in *" --follow "*)
    local line status=0
    exec 3< <("$PROGRAM" "$@")
    read -r line <&3 || status=$?
    kill -INT "$!"
    exec 3<&-
    printf '%s\n' "$line"
    return "$status"
    ;;
  esac
  "$PROGRAM" "$@"
}

# Keeps the answer, so that what a page says to take from it can be taken.
curl() {
  ANSWER=$(command curl -m 30 "$@") || return
  printf '%s\n' "$ANSWER"
}

# The first member of this name in the JSON that is read, not within another member.
member() { tr -d '\n' | sed 's/: *{[^{}]*}/:null/g' | grep -o "\"$1\": *\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }

# What others do in their own time.
eventually() { until "$@" >/dev/null; do sleep 0.05; done; }

# The blocks of the page in this language.
block() { awk -v fence="\`\`\`$1" '/^```/ { own = !open && $0 == fence; open = !open; next } own' "$PAGE"; }

# What is decided: by the token of who asks, on a body.
verify() {
  curl -s "http://$ADDRESS/api/v1/auth/verify" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "$2"
}
