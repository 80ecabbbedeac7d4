"""Speaks to the doors in OAuth's form as Authlib does, which knows nothing of this server but its addresses.

Argument: the address of the server. Reads one JSON object: `client_id` and `client_secret` of a client that may ask
about tokens, and the `refresh_token` of a session. Prints one JSON object of what came of each call.
"""

import json
import os
import sys
import urllib.request

# The server of a test has no TLS.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"

from authlib.integrations.base_client.errors import OAuthError  # noqa: E402
from authlib.integrations.httpx_client import OAuth2Client  # noqa: E402
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # noqa: E402

base = sys.argv[1]
given = json.load(sys.stdin)
token_endpoint = f"{base}/oauth2/token"
said = {}


def client(method, **more):
    """A client that says who it is in this way."""
    return OAuth2Client(
        given["client_id"],
        more.pop("secret", given["client_secret"]),
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        trust_env=False,
        **more,
    )


# What is said of this server, held against RFC 8414; here with the rule that all of it stands behind TLS.
with urllib.request.urlopen(f"{base}/.well-known/oauth-authorization-server", timeout=30) as found:
    said["metadata"] = json.load(found)
del os.environ["AUTHLIB_INSECURE_TRANSPORT"]
try:
    AuthorizationServerMetadata(said["metadata"]).validate()
    said["metadata_is"] = "valid"
except ValueError as error:
    said["metadata_is"] = str(error)
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"

for method in ("client_secret_basic", "client_secret_post"):
    with client(method, scope="works:read") as own:
        token = own.fetch_token(token_endpoint, grant_type="client_credentials")
        about = own.introspect_token(f"{base}/oauth2/introspect", token=token["access_token"])
        # With the token that it was given, as every resource is asked.
        me = own.get(f"{base}/api/v1/auth/me")
        said[method] = {"token": token, "introspection": about.json(), "me": me.json()}

try:
    with client("client_secret_basic", secret="sk_wrong") as stranger:
        stranger.fetch_token(token_endpoint, grant_type="client_credentials")
except OAuthError as error:
    said["refused"] = error.error
try:
    with client("client_secret_basic", scope="works:delete") as greedy:
        greedy.fetch_token(token_endpoint, grant_type="client_credentials")
except OAuthError as error:
    said["beyond"] = error.error

with OAuth2Client(None, token_endpoint_auth_method="none", trust_env=False) as public:
    session = public.refresh_token(token_endpoint, refresh_token=given["refresh_token"])
    said["refreshed"] = session

with client("client_secret_basic") as own:
    for name, token in given["revoke"].items():
        ended = own.revoke_token(f"{base}/oauth2/revoke", token=token)
        said[f"revoked_{name}"] = ended.status_code

print(json.dumps(said))
