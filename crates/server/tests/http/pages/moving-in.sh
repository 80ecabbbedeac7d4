#: section docs/moving-in.md ## From AUTH-2
#: stopped
#: old system
#: for 'postgres://promptcraft_app@192.168.1.16:5432/promptcraft?sslmode=verify-full' => "$OLD_PLACE"
OLD_PLACE=$(sed 's#:[^:@/]*@#@#' <<<"$OLD") PGPASSWORD=$(sed 's#.*:\([^:@/]*\)@.*#\1#' <<<"$OLD")
#: after
grep -q '"taken"' report.ndjson

#: section docs/moving-in.md ### Permissions
#: stopped
#: old system
printf '%s\n' "$OLD" >auth2.url

#: section docs/moving-in.md ## From a file
#: stopped
keywright account create --name billing-platform --type internal --scopes works:read
block csv >tokens.csv
#: after
keywright account tokens --identifier billing-platform --json | grep -q '"billing"'
