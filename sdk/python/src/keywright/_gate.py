"""The gate before an application: from a request to a decision, or to the answer that refuses it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

from . import _refusal as refusal
from ._async import AsyncKeywright
from ._base import REQUEST_ID, Id, identifier
from ._refusal import Refusal
from .errors import KeywrightError, ProblemError
from .types import Facts, ValidDecision

Scope = Mapping[str, Any]
Presented = Union[None, str, "Conflict"]

_log = logging.getLogger("keywright")
# No credential is as long; a longer one never fits into a question.
_LONGEST_CREDENTIAL = 16 * 1024
_LONGEST_USER_AGENT, _LONGEST_ENDPOINT, _LONGEST_FACT = 512, 1024, 64


class Conflict:
    """Two credentials that differ, in one request."""


def values(scope: Scope, name: bytes) -> list[bytes]:
    """All values of a header, in their order."""
    return [value for own, value in scope["headers"] if own.lower() == name]


def presented(scope: Scope) -> Presented:
    """The credential of `Authorization: Bearer` or `X-API-Key`; without either, of `Cf-Access-Jwt-Assertion`,
    which Cloudflare adds to every request. The same one twice is one; an `Authorization` of another scheme is
    none of ours.
    """
    found = [bearer for value in values(scope, b"authorization") for bearer in _bearer(value)]
    found += values(scope, b"x-api-key")
    return _one_of(found or values(scope, b"cf-access-jwt-assertion"))


def _bearer(value: bytes) -> Iterable[bytes]:
    """The scheme is compared without case (RFC 9110, section 11.1); what follows it is taken as it is."""
    scheme, rest = value[:6], value[6:]
    if scheme.lower() != b"bearer" or rest[:1] not in (b"", b" "):
        return []
    return [rest[1:]]


def _one_of(found: Sequence[bytes]) -> Presented:
    if not found:
        return None
    return found[0].decode("latin-1") if len(set(found)) == 1 else Conflict()


@dataclass(frozen=True)
class Gate:
    """How requests are decided on."""

    client: AsyncKeywright
    client_address: Callable[[Scope], Optional[str]]
    publisher: Callable[[Scope], Optional[Id]]
    timeout_seconds: float
    retries: int

    def passage(self, scope: Scope) -> Passage:
        """The passage of one request."""
        [first, *_] = [*values(scope, b"x-request-id"), b""]
        chosen = first.decode("latin-1")
        request_id = chosen if REQUEST_ID.fullmatch(chosen) else secrets.token_hex(8)
        return Passage(self, scope, request_id)

    def facts(self, scope: Scope) -> Facts:
        """The facts of a request, for the record."""
        facts: Facts = {
            "method": scope.get("method", "GET")[:_LONGEST_FACT],
            "endpoint": scope["path"][:_LONGEST_ENDPOINT].encode("utf-8", "replace").decode(),
        }
        address = self.client_address(scope)
        if address is not None:
            facts["ip_address"] = address
        for value in values(scope, b"user-agent")[:1]:
            facts["user_agent"] = value.decode("latin-1")[:_LONGEST_USER_AGENT]
        for value in values(scope, b"cf-ray")[:1]:
            facts["cloudflare_ray_id"] = value.decode("latin-1")[:_LONGEST_FACT]
        return facts


@dataclass
class Passage:
    """One request on its way through the gate."""

    gate: Gate = field(repr=False)
    scope: Scope = field(repr=False)
    request_id: str
    decision: Optional[ValidDecision] = None

    async def ask(
        self, scopes: Sequence[str], any_of: Sequence[str], cost: int
    ) -> Union[ValidDecision, Refusal]:
        """Has the credential decided on. Whatever is not a valid decision is a refusal."""
        token = presented(self.scope)
        if token is None:
            return refusal.missing(self.request_id)
        if isinstance(token, Conflict):
            return refusal.conflicting(self.request_id)
        if len(token) > _LONGEST_CREDENTIAL:
            return refusal.malformed(self.request_id)
        facts = self.gate.facts(self.scope)
        facts["required_scopes"] = scopes
        facts["cost"] = cost
        if any_of:
            facts["any_scopes"] = any_of
        publisher = self.gate.publisher(self.scope)
        if publisher is not None:
            try:
                facts["publisher_id"] = identifier(publisher)
            except ValueError:
                return refusal.wrong_publisher(self.request_id)
        return await self._decide(token, facts)

    async def _decide(self, token: str, facts: Facts) -> Union[ValidDecision, Refusal]:
        verification = self.gate.client.verify(
            token, request_id=self.request_id, retries=self.gate.retries, **facts
        )
        try:
            decision = await asyncio.wait_for(verification, self.gate.timeout_seconds)
        except ProblemError as problem:
            if problem.status == 503:
                _log.warning("Keywright cannot decide: %s [request %s]", problem.code, self.request_id)
            else:
                _log.error("Keywright refuses the middleware itself: %s", problem)
            return refusal.unavailable(self.request_id, problem)
        except asyncio.TimeoutError:
            _log.warning("Keywright did not answer in time [request %s]", self.request_id)
            return refusal.unavailable(self.request_id)
        except KeywrightError as error:
            _log.warning("%s [request %s]", error, self.request_id)
            return refusal.unavailable(self.request_id)
        except Exception as error:  # whatever it was, nobody knows that the credential is valid
            _log.error("the middleware failed: %s [request %s]", type(error).__name__, self.request_id)
            return refusal.unavailable(self.request_id)
        if decision.valid is True:
            self.decision = decision
            return decision
        return refusal.denied(decision)
