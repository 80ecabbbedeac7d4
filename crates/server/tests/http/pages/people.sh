#: section docs/people.md ## Publishers

#: section docs/people.md ### What a publisher sets for itself
keywright publisher create --name Songtrust

#: section docs/people.md ## Roles

#: section docs/people.md ## Members
#: operator
#: for 01a20052-0d35-7767-83b6-0fa19a9b1616 => "$ADA"
keywright publisher create --name Elsewhere
keywright user create --email ada@example.com --publisher Elsewhere --role publisher_viewer <password.txt
ADA=$(keywright user show --identifier ada@example.com --json | member id)
keywright publisher settings --identifier Songtrust --allowed-login-domains example.com
keywright user create --email bob@example.com --publisher Songtrust --role publisher_admin <password.txt
keywright role create --publisher Songtrust --name Curator --permissions works:read
#: after
keywright publisher member list --publisher Songtrust --json | grep -q bob@example.com
keywright user delete --identifier ada@example.com

#: section docs/people.md ## Logins and sessions
#: operator
#: for 01980000-0000-7000-8000-000000000001 => "$BOB"
keywright login --url "http://$ADDRESS" --email bob@example.com <password.txt
BOB=$(keywright user show --identifier bob@example.com --json | member id)
#: after
! keywright session list --user "$BOB" | grep -q keywright

#: section docs/people.md ## Users
#: operator
#: after
keywright user list --json | grep -q grace@example.com
keywright user delete --identifier ada@example.com
