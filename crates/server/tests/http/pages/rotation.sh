#: section docs/rotation.md ## Switching it on
#: for /run/secrets/keywright => "$PWD"/secrets
keywright token create --name ci-deploy --permissions works:write --quiet
#: after
keywright policy effective --service-token ci-deploy | grep -q 'delivery.value *file'
for policy in $(keywright policy list | awk 'NR > 1 { print $NF }'); do keywright policy delete --identifier "$policy"; done

#: section docs/rotation.md ### Receivers elsewhere
keywright token create --name worker --permissions works:write --quiet
keywright account create --name songtrust --type partner --scopes works:read
echo ghp_0123456789 | tee github-token.txt vault-token.txt >token.txt
#: after
test "$(keywright policy list --json | grep -o '_secret"\|vault_kv"' | wc -l)" -ge 3

#: section docs/rotation.md ## What becomes of a rotation
