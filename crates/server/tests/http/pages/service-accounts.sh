#: section docs/service-accounts.md ## Accounts

#: section docs/service-accounts.md ## Their tokens
keywright account create --name songtrust-api --type platform --scopes works:read
#: after
keywright account delete --identifier songtrust-api --reason 'the page is over'

#: section docs/service-accounts.md ## Binding a token to its creator
#: for $ACCOUNT => "$(member id <<<"$ANSWER")"
#: for "sk_…" => "'"$(member token <<<"$ANSWER")"'"
#: json -
ADMIN=$FIRST
GATEWAY=$(keywright token create --name 'gateway of accounts' --permissions tokens:verify --quiet)

