#: section docs/audit.md # The audit trail
#: for ID => "$ID"
ID=$(keywright token create --name audited --permissions works:read --json | tee made.json | member id)
member token <made.json | keywright verify
echo sk_ | keywright verify || true

#: section docs/audit.md ## Exports
keywright token create --name exported --permissions works:read --quiet
#: after
test "$(grep -c '^{' trail.ndjson)" -gt 1
head -n 1 november.csv | grep -q ,

#: section docs/audit.md ## Checking
#: operator
#: for SEQ:MAC => "$HEAD"
HEAD=$(keywright events verify | sed -n 's/^head: //p')
keywright events export --format ndjson --output trail.ndjson

#: section docs/audit.md ## What pipelines did
#: after
keywright events list --json | grep -q '"cicd.deployment"'
