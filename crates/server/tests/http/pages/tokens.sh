#: section docs/anomalies.md # Odd use
keywright publisher create --name songtrust --json >made.json
#: after
keywright publisher settings --identifier songtrust | grep -q unusual_hour
keywright publisher delete --identifier songtrust --reason 'the page is over'

#: section docs/github-actions.md ## A token for the pipeline

#: section docs/leaks.md ## A leaked credential
keywright token create --name found --permissions works:read --quiet >tokens.txt
keywright token create --name ci-cd --permissions works:read --quiet
#: after
keywright token show --identifier found | grep -q revoked

#: section docs/monitoring.md ## Alerts
#: for 0198c0de-0000-7000-8000-000000000000 => "$ALERT"
keywright token create --name seen --permissions works:read --quiet | keywright leak report --found-in 'a log'
ALERT=$(keywright alert list --state open --json | member id)
#: after
keywright alert list --state resolved --json | grep -q "$ALERT"
