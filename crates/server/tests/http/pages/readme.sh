#: section README.md ## Five minutes
#: alone
#: operator
#: for 127.0.0.1:8080 => "$ADDRESS"
#: json verify "$LATER" '{"token": "'"$WEAK"'", "required_scopes": ["catalog:admin"]}'
#: after
LATER=$(keywright token create --name later --permissions tokens:verify --quiet)
WEAK=$(keywright token create --name weak --permissions works:read --quiet)

#: section README.md ## Two commands
#: json verify "$FIRST" '{}'
