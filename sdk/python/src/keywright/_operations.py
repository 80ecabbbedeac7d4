"""The operations of the API that the clients have.

Written by sdk/python/generate from docs/openapi.json: change nothing here.
"""

from __future__ import annotations

from typing import NamedTuple


class Operation(NamedTuple):
    """An operation."""

    method: str
    path: str
    keyed: bool
    """Whether it takes an `Idempotency-Key`."""


VERIFY = Operation("POST", "/api/v1/auth/verify", False)
VERIFY_BATCH = Operation("POST", "/api/v1/auth/verify/batch", False)
CREATE_SERVICE_TOKEN = Operation("POST", "/api/v1/auth/tokens", True)
LIST_SERVICE_TOKENS = Operation("GET", "/api/v1/auth/tokens", False)
GET_SERVICE_TOKEN = Operation("GET", "/api/v1/auth/tokens/{id}", False)
ROTATE_SERVICE_TOKEN = Operation("POST", "/api/v1/auth/tokens/{id}/rotate", True)
REVOKE_SERVICE_TOKEN = Operation("DELETE", "/api/v1/auth/tokens/{id}", False)
CREATE_SERVICE_ACCOUNT = Operation("POST", "/api/v1/service-accounts", True)
LIST_SERVICE_ACCOUNTS = Operation("GET", "/api/v1/service-accounts", False)
GET_SERVICE_ACCOUNT = Operation("GET", "/api/v1/service-accounts/{id}", False)
CREATE_SERVICE_ACCOUNT_TOKEN = Operation("POST", "/api/v1/service-accounts/{id}/tokens", True)
LIST_SERVICE_ACCOUNT_TOKENS = Operation("GET", "/api/v1/service-accounts/{id}/tokens", False)
GET_SERVICE_ACCOUNT_TOKEN = Operation("GET", "/api/v1/service-accounts/{id}/tokens/{token_id}", False)
ROTATE_SERVICE_ACCOUNT_TOKEN = Operation("POST", "/api/v1/service-accounts/{id}/tokens/{token_id}/rotate", True)
REVOKE_SERVICE_ACCOUNT_TOKEN = Operation("DELETE", "/api/v1/service-accounts/{id}/tokens/{token_id}", False)
CREATE_PERSONAL_TOKEN = Operation("POST", "/api/v1/users/me/tokens", True)
LIST_PERSONAL_TOKENS = Operation("GET", "/api/v1/users/me/tokens", False)
GET_PERSONAL_TOKEN = Operation("GET", "/api/v1/users/me/tokens/{id}", False)
ROTATE_PERSONAL_TOKEN = Operation("POST", "/api/v1/users/me/tokens/{id}/rotate", True)
REVOKE_PERSONAL_TOKEN = Operation("DELETE", "/api/v1/users/me/tokens/{id}", False)
