"""Verifies access tokens with PyJWT, by nothing but the keys that a server publishes.

Arguments: the address of the keys, the issuer, the audience. Reads a token a line, and prints for each a line of
JSON: its header and claims, or the name of the error by which it is refused.
"""

import json
import sys

import jwt

address, issuer, audience = sys.argv[1:]
keys = jwt.PyJWKClient(address)
for line in sys.stdin:
    token = line.strip()
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=issuer,
            audience=audience,
            options={"require": ["iss", "aud", "sub", "exp", "iat", "jti", "client_id"]},
        )
        said = {"header": jwt.get_unverified_header(token), "claims": claims, "kty": key.key_type}
    except jwt.PyJWTError as error:
        said = {"refused": type(error).__name__}
    print(json.dumps(said))
