#: section docs/oauth.md ## Who is the client
#: json -
keywright publisher create --name 'of the partner'
keywright account create --publisher 'of the partner' --name partner --type partner --scopes works:read --json >account.json
keywright token create --service-account partner --name client --json >client.json
ACCOUNT=$(member id <account.json) SERVICE_TOKEN=$(member token <client.json)

#: section docs/oauth.md ## Asking about a token
#: json -
keywright account update --identifier partner --scopes works:read,tokens:verify
keywright token create --service-account partner --name asker --quiet >asker.txt
SERVICE_TOKEN=$(cat asker.txt) ACCOUNT=$(member id <account.json) TOKEN=$(member token <client.json)

#: section docs/oauth.md ### Signed
SERVICE_TOKEN=$(cat asker.txt) ACCOUNT=$(member id <account.json) TOKEN=$(member token <client.json)
#: after
case $ANSWER in eyJ*.*.*) ;; *) false ;; esac

#: section docs/oauth.md ## Ending a token
TOKEN=$(member token <client.json)
#: after
keywright verify <<<"$TOKEN" | grep -q revoked

#: section docs/oauth.md ## Refreshing a session
#: operator
keywright user create --email refresher@example.com --platform-admin <password.txt
curl -s "http://$ADDRESS/api/v1/auth/login" -H 'Content-Type: application/json' \
  -d '{"email": "refresher@example.com", "password": "'"$(cat password.txt)"'"}'
REFRESH_TOKEN=$(member refresh_token <<<"$ANSWER")
