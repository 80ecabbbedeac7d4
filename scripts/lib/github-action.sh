# shellcheck shell=bash
# What the steps of action.yml do. To be sourced by bash 3.2 or newer; needs curl and jq.
#
# The token is never an argument of a command and never in its environment: other users of a runner could read
# the first, and what a step starts the second. It reaches curl through standard input.
{ set +x; } 2>/dev/null
set -euo pipefail

token=${INPUT_TOKEN:-${KEYWRIGHT_TOKEN:-${PROMPTCRAFT_SERVICE_TOKEN:-}}}
url=${INPUT_URL:-${KEYWRIGHT_URL:-${PROMPTCRAFT_API_URL:-}}}
unset INPUT_TOKEN KEYWRIGHT_TOKEN PROMPTCRAFT_SERVICE_TOKEN

scratch=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/keywright.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# annotate KIND TITLE TEXT: a message that GitHub shows at the run. What would end or start a workflow command is
# encoded.
annotate() {
  local title=$2 text=$3
  title=${title//'%'/%25} title=${title//':'/%3A} title=${title//','/%2C}
  text=${text//'%'/%25} text=${text//$'\r'/%0D} text=${text//$'\n'/%0A}
  printf '::%s title=%s::%s\n' "$1" "$title" "$text"
}

# stop TITLE TEXT: says what is wrong and what to do, and fails the step.
stop() {
  annotate error "Keywright: $1" "$2"
  exit 1
}

trim() {
  local text=$1
  text=${text#"${text%%[![:space:]]*}"}
  printf '%s' "${text%"${text##*[![:space:]]}"}"
}

# Looks at what was given, without asking anybody. The message tells nothing of the token but its length.
check_form() {
  token=$(trim "$token") url=$(trim "$url")
  [[ -n $token ]] || stop "no token" \
    "Give the input token from a secret, or set KEYWRIGHT_TOKEN. Secrets of an environment are there only in jobs that name the environment."
  if [[ ! $token =~ ^(sk_[0-9a-f]{64}|pat_[0-9a-f]{72})$ ]]; then
    stop "malformed token" \
      "What was given has ${#token} characters and is no token: sk_ and 64, or pat_ and 72, hexadecimal digits in lower case. Was it copied whole?"
  fi
  [[ -n $url ]] || stop "no address" "Give the input url, or set KEYWRIGHT_URL, such as https://auth.example.com."
  url=${url%/} url=${url%/api/v1}
  [[ $url =~ ^https?://[A-Za-z0-9._:-]+(/[A-Za-z0-9._~/-]*)?$ || $url =~ ^https?://\[[0-9A-Fa-f:.]+\](:[0-9]+)?$ ]] ||
    stop "bad address" "The address must be http:// or https:// and a host, without a user, a query or spaces."
}

# post PATH BODY [HEADER]: the status is then in $status (000: no answer), the answer in the file $answer.
post() {
  local seconds=${INPUT_TIMEOUT:-10}
  [[ $seconds =~ ^[0-9]{1,3}$ ]] || stop "bad input" "timeout-seconds must be a number of seconds."
  answer=$scratch/answer status=000
  : >"$answer"
  printf '%s' "$2" >"$scratch/body"
  # Both requests may be repeated: a verification changes nothing, and an event has its Idempotency-Key.
  status=$(
    {
      printf 'header = "Authorization: Bearer %s"\n' "$token"
      printf 'header = "Content-Type: application/json"\n'
      [[ -z ${3:-} ]] || printf 'header = "%s"\n' "$3"
    } | curl --disable --config - --silent --show-error --proto '=http,https' --max-time "$seconds" \
      --retry 2 --retry-max-time "$((seconds * 2))" --data-binary @"$scratch/body" --output "$answer" \
      --write-out '%{http_code}' "$url/api/v1$1"
  ) || status=000
}

# field NAME: a text of the answer, on one line; empty when it has none.
field() {
  jq -r --arg path "$1" 'getpath($path / ".") // "" | tostring | gsub("[\\x00-\\x1f\\x7f]"; " ")' \
    "$answer" 2>/dev/null || true
}

# explain CODE: what to do about it.
explain() {
  case $1 in
  malformed) echo "It is no token of any form. Was it copied whole?" ;;
  not_found) echo "The server does not know it. Is it the token of another server or environment?" ;;
  revoked) echo "It was revoked. Make another one, and put it into the secret." ;;
  expired) echo "Its life, or its grace after a rotation, is over. Put the new one into the secret." ;;
  inactive) echo "It is switched off. Whoever manages tokens can switch it on." ;;
  principal_disabled) echo "The service account or the user behind it is disabled." ;;
  publisher_suspended) echo "Its publisher is suspended." ;;
  ip_not_allowed) echo "Its allowlist does not let this runner's address in." ;;
  wrong_publisher) echo "It has no part in that publisher." ;;
  rate_limited) echo "It was used more often than its limits allow. Run the job again later." ;;
  insufficient_scope) echo "Give it what is missing, or make one that has it." ;;
  *) echo "Ask whoever runs the server, with the request's id." ;;
  esac
}

# The server did not decide: the pipeline must not go on as if it had said yes.
stop_undecided() {
  local code
  code=$(field code)
  case $status in
  000) stop "no answer" "The server at $url cannot be reached, or did not answer in time. $1" ;;
  429 | 5*) stop "not available" "The server cannot answer at the moment (status $status${code:+, $code}). $1" ;;
  401 | 403) stop "refused: ${code:-$status}" "$(field detail) $(explain "$code") (request $(field request_id))" ;;
  *) stop "unexpected answer" "The server answered $status${code:+ ($code)}: is $url the address of a Keywright? $(field detail)" ;;
  esac
}

# Prints the scopes that are asked for as a JSON array.
scopes_wanted() {
  local scope scopes=()
  set -f
  # shellcheck disable=SC2086 # they are divided here
  set -- ${1//,/ } ${INPUT_EVENT_TYPE:+audit_log}
  set +f
  for scope in "$@"; do
    [[ $scope =~ ^(\*|[a-z0-9_-]+(:[a-z0-9_-]+)*(:\*)?)$ ]] ||
      stop "bad input" "required-scopes: a scope is segments of a-z, 0-9, _ and -, joined by colons, such as works:read."
    scopes+=("$scope")
  done
  jq -nc '$ARGS.positional | unique' --args ${scopes[@]+"${scopes[@]}"}
}

verify_token() {
  check_form
  local wanted code days warn=${INPUT_WARN_DAYS:-14}
  [[ $warn =~ ^[0-9]{1,4}$ ]] || stop "bad input" "warn-days must be a number of days."
  wanted=$(scopes_wanted "${INPUT_SCOPES:-}") || { printf '%s\n' "$wanted" && exit 1; }
  post /auth/verify "{\"required_scopes\":$wanted}"
  [[ $status == 200 ]] || stop_undecided "Nothing is known about the token."
  code=$(field code)
  if [[ $(field valid) != true ]]; then
    local missing
    missing=$(jq -r '.missing_scopes // [] | join(", ")' "$answer" 2>/dev/null) || missing=
    stop "token denied: ${code:-no decision}" \
      "${missing:+It lacks $missing. }$(explain "$code") (request $(field request_id))"
  fi

  {
    printf 'token-name=%s\n' "$(field name)"
    printf 'credential-id=%s\n' "$(field credential_id)"
    printf 'scopes=%s\n' "$(jq -r '.scopes | join(" ")' "$answer")"
    printf 'expires-at=%s\n' "$(field expires_at)"
  } >>"${GITHUB_OUTPUT:-/dev/null}"
  # shellcheck disable=SC2016 # the backticks are Markdown's
  jq -r '[.name, .principal.name, (.scopes | join(", ")), .expires_at // "never"] | map(gsub("[`|<>\\x00-\\x1f]"; " "))
    | "| token | principal | scopes | expires |\n|---|---|---|---|\n| `" + join("` | `") + "` |\n"' \
    "$answer" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"

  days=$(jq -r '.expires_at // empty | sub("\\.[0-9]+Z$"; "Z") | (fromdateiso8601 - now) / 86400 | floor' "$answer")
  if [[ -n $days ]] && ((days < warn)); then
    annotate warning "Keywright: the token ends soon" \
      "$(field name) ends at $(field expires_at), in $days days. Rotate it, and put the new one into the secret."
  fi
  if [[ $(field rotation.superseded) == true ]]; then
    annotate warning "Keywright: the token was rotated" \
      "This is the old one of $(field name). It works until $(field rotation.grace_expires_at): put the new one into the secret."
  fi
  echo "The token $(field name) is valid."
}

record_event() {
  check_form
  local body key
  body=$(
    jq -nc --arg type "$INPUT_EVENT_TYPE" --arg status "${INPUT_EVENT_STATUS:-success}" \
      --arg environment "${INPUT_ENVIRONMENT:-}" --arg repository "${GITHUB_REPOSITORY:-}" \
      --arg workflow "${GITHUB_WORKFLOW:-}" --arg run_id "${GITHUB_RUN_ID:-}" --arg commit "${GITHUB_SHA:-}" \
      --arg attempt "${GITHUB_RUN_ATTEMPT:-}" --arg job "${GITHUB_JOB:-}" --arg actor "${GITHUB_ACTOR:-}" \
      --arg ref "${GITHUB_REF:-}" '
      {event_type: $type, status: $status, repository: $repository, workflow: $workflow, run_id: $run_id, commit: $commit,
       environment: $environment, details: {run_attempt: $attempt, job: $job, actor: $actor, ref: $ref}}
      | del(.details[] | select(. == "")) | del(.[] | select(. == "" or . == {}))'
  )
  key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  post /audit/cicd-event "$body" "Idempotency-Key: $key"
  if [[ $status == 422 ]]; then
    stop "bad event" "$(jq -r '.errors // [] | map(.field + ": " + .detail) | join("; ")' "$answer")"
  fi
  [[ $status == 201 ]] || stop_undecided "Whether the event was recorded is not known."
  printf 'event-id=%s\n' "$(field id)" >>"${GITHUB_OUTPUT:-/dev/null}"
  echo "Recorded $(field type) as $(field id)."
}
