#: section docs/personal-tokens.md ## Making one
#: operator
#: for --email ada@example.com => --email ada@example.com <password.txt
keywright publisher list | grep -q Songtrust || keywright publisher create --name Songtrust
keywright role create --publisher Songtrust --name Author --permissions personal_tokens:write,works:write,audit_log
keywright user create --email ada@example.com --publisher Songtrust --role Author <password.txt
#: after
keywright pat list --json | grep -q revoked

#: section docs/personal-tokens.md ## What publishers say of them
#: after
keywright publisher settings --identifier Songtrust | grep -q 'personal_tokens.max_days *90'

#: section docs/personal-tokens.md ## Finding leaked ones
#: operator
block python >checksum.py
#: after
keywright scanner-rules --format gitleaks | grep -q pat_
if command -v python3 >/dev/null; then
  keywright pat create --name scanned --scopes works:write --quiet >scanned.txt
  python3 - scanned.txt <<'PYTHON'
import sys
from checksum import is_personal_token
text = open(sys.argv[1]).read().strip()
assert is_personal_token(text) and not is_personal_token(text[:-1] + "x")
PYTHON
fi
