#: section docs/verification.md ## Two forms
#: for "sk_…" => "'"$CI"'"
GATEWAY=$(keywright token create --name gateway --permissions tokens:verify --quiet)
CI=$(keywright token create --name ci --permissions works:write --metadata team=songs --quiet)
printf '%s\n' "$GATEWAY" >gateway.txt
printf '%s\n' "$CI" >ci.txt

#: section docs/verification.md ## The answer
#: json verify "$(cat ci.txt)" '{}'
#: json verify "$(cat gateway.txt)" '{"token": "'"$(cat ci.txt)"'", "required_scopes": ["works:admin"]}'

#: section docs/verification.md ## What is no denial
#: json verify "$(cat ci.txt)" '{"token": "sk_"}'

#: section docs/verification.md ## Rate limits
#: json verify "$LIMITED" '{}' | grep -o '{"window[^}]*}'
LIMITED=$(keywright token create --name limited --permissions works:read --per-minute 60 --quiet)

#: section docs/verification.md ## A middleware of twenty lines
block python >gate.py
#: after
if command -v python3 >/dev/null; then
  KEYWRIGHT_URL=http://$ADDRESS KEYWRIGHT_TOKEN=$(cat gateway.txt) python3 - ci.txt <<'PYTHON'
import sys
from gate import Refused, check
token = open(sys.argv[1]).read().strip()
assert check(token, "works:write", endpoint="/works/17")["name"] == "ci"
for scopes, presented, status in ((["works:admin"], token, 403), ([], "sk_", 401), ([], token.upper(), 401)):
    try:
        check(presented, *scopes)
    except Refused as refused:
        assert refused.status == status, refused.code
    else:
        raise AssertionError(presented)
PYTHON
fi
