"""What a gate answers instead of the application: problem documents like those of Keywright itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Optional

from .errors import ProblemError
from .types import Denial, RateLimit

Headers = list[tuple[bytes, bytes]]

# Of each denial its status and title, as in the API.
_DENIALS = {
    "malformed": (401, "The credential is malformed"),
    "not_found": (401, "The credential is not known"),
    "revoked": (401, "The credential is revoked"),
    "expired": (401, "The credential has expired"),
    "inactive": (401, "The credential is switched off"),
    "principal_disabled": (401, "The credential's owner is disabled"),
    "publisher_suspended": (401, "The publisher is suspended"),
    "ip_not_allowed": (403, "The address is not allowed"),
    "wrong_publisher": (403, "Not valid for this publisher"),
    "rate_limited": (429, "Too many requests"),
    "insufficient_scope": (403, "A permission is missing"),
}
_WINDOW_SECONDS = {"minute": 60, "hour": 3600}


@dataclass(frozen=True)
class Refusal:
    """An answer that a gate gives in the place of the application."""

    status: int
    code: str
    headers: Headers
    body: bytes


def _refusal(
    kind: str,
    status: int,
    code: str,
    title: str,
    detail: str,
    request_id: str,
    *,
    error: Optional[str] = None,
    retry_after_seconds: Optional[int] = None,
    limit: Optional[RateLimit] = None,
) -> Refusal:
    document = {
        "type": f"urn:keywright:{kind}:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id.encode()),
    ]
    if status == 401 or error is not None:
        challenge = 'Bearer realm="keywright"' + (f', error="{error}"' if error else "")
        headers.append((b"www-authenticate", challenge.encode()))
    if retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(retry_after_seconds, 1)))
    return Refusal(status, code, headers + limit_headers(limit), body)


def denied(denial: Denial) -> Refusal:
    """For a denied credential. A code that is not known yet is answered as 401."""
    code = denial.code
    status, title = _DENIALS.get(code, (401, "The credential was not accepted"))
    detail = "The credential was not accepted."
    limit, retry_after_seconds = None, None
    if code == "insufficient_scope":
        detail = f"The credential does not carry {', '.join(denial.missing_scopes or ())}."
    elif code == "rate_limited":
        limit = denial.rate_limit
        retry_after_seconds = limit.reset_seconds if limit else 1
        allowed = f": {limit.limit} in any {limit.window} are allowed" if limit else ""
        detail = (
            f"The credential, its account or its publisher was used too often{allowed}. "
            f"Try again in {retry_after_seconds} s."
        )
    error = "insufficient_scope" if code == "insufficient_scope" else None
    return _refusal(
        "denial",
        status,
        code,
        title,
        detail,
        denial.request_id,
        error="invalid_token" if status == 401 else error,
        retry_after_seconds=retry_after_seconds,
        limit=limit,
    )


def malformed(request_id: str) -> Refusal:
    """For what is no credential, whatever Keywright would say."""
    return denied(Denial(valid=False, code="malformed", request_id=request_id))


def wrong_publisher(request_id: str) -> Refusal:
    """For a publisher that is none."""
    return denied(Denial(valid=False, code="wrong_publisher", request_id=request_id))


def missing(request_id: str) -> Refusal:
    """For a request without a credential."""
    detail = "Send a credential as Authorization: Bearer CREDENTIAL."
    return _refusal("problem", 401, "missing_credential", "A credential is needed", detail, request_id)


def conflicting(request_id: str) -> Refusal:
    """For a request with several."""
    detail = "The headers carry different credentials; send one."
    title = "More than one credential"
    code = "conflicting_credentials"
    return _refusal("problem", 400, code, title, detail, request_id, error="invalid_request")


def unavailable(request_id: str, problem: Optional[ProblemError] = None) -> Refusal:
    """For what cannot be known now; Keywright's own words where it said so itself."""
    code, title = "unavailable", "Not available at the moment"
    detail = "The answer cannot be known at the moment."
    if problem is not None and problem.status == 503:
        code, title, detail = problem.code, problem.title, problem.detail
    seconds = (problem.retry_after_seconds if problem else None) or 1
    return _refusal("problem", 503, code, title, detail, request_id, retry_after_seconds=seconds)


def limit_headers(limit: Optional[RateLimit]) -> Headers:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) of what was decided on."""
    if limit is None or limit.window not in _WINDOW_SECONDS:
        return []
    policy = f'"{limit.window}";q={limit.limit};w={_WINDOW_SECONDS[limit.window]}'
    state = f'"{limit.window}";r={limit.remaining};t={limit.reset_seconds}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]
