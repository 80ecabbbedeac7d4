"""What both clients share: requests before they are sent, and answers after they came."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Callable, Optional, TypeVar, Union
from uuid import UUID

import httpx

from ._operations import Operation
from ._version import __version__
from ._wire import UnreadableError, reader, write
from .errors import InvalidAnswerError, ProblemError
from .types import Problem, VerifyItem

T = TypeVar("T")
Id = Union[str, UUID]
Token = Union[str, Callable[[], str]]

NONE: Mapping[str, Any] = MappingProxyType({})
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_KEY = re.compile(r"[!-~]{16,128}")
_VISIBLE = re.compile(r"[!-~]+")
# The wait before the first repetition, where the answer asks for none; it doubles.
_FIRST_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    items: tuple[Any, ...]
    next_cursor: Optional[str]


@dataclass(frozen=True)
class Call:
    """A request, ready to be sent as often as it is safe. Prints nothing of what it says."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    content: Optional[bytes] = field(repr=False)
    timeout: float
    retries: int


class Base:
    """Where the authority is, and how it is asked."""

    def __init__(
        self,
        url: Optional[str],
        token: Optional[Token],
        *,
        publisher_id: Optional[Id],
        timeout_seconds: float,
        verify_timeout_seconds: float,
        retries: int,
        longest_wait_seconds: float,
    ) -> None:
        address = httpx.URL(os.environ.get("KEYWRIGHT_URL", "") if url is None else url)
        if address.scheme not in ("http", "https") or not address.host or address.userinfo or address.query:
            raise ValueError("url must be where Keywright is, such as https://auth.example.com")
        own = os.environ.get("KEYWRIGHT_TOKEN", "") if token is None else token
        self._token = own if callable(own) else (lambda: own)
        self._bearer()
        self._url = str(address).rstrip("/")
        self._publisher_id = None if publisher_id is None else identifier(publisher_id)
        self._timeout_seconds = timeout_seconds
        self._verify_timeout_seconds = verify_timeout_seconds
        self._retries = retries
        self._longest_wait_seconds = longest_wait_seconds

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self._url!r})"

    def _bearer(self) -> str:
        """The header of the credential. A bad one is refused here, as whatever sends it would print it."""
        token = self._token()
        if not isinstance(token, str) or not _VISIBLE.fullmatch(token):
            raise ValueError("token must be a credential, of visible ASCII characters")
        return f"Bearer {token}"

    def _call(
        self,
        operation: Operation,
        *,
        ids: Mapping[str, Id] = NONE,
        query: Mapping[str, object] = NONE,
        body: Optional[Mapping[str, Any]] = None,
        key: Optional[str] = None,
        request_id: Optional[str] = None,
        retries: Optional[int] = None,
    ) -> Call:
        headers = {"accept": "application/json", "user-agent": f"keywright-python/{__version__}"}
        if body is not None:
            headers["content-type"] = "application/json"
        if self._publisher_id is not None:
            headers["x-publisher-id"] = self._publisher_id
        if request_id is not None:
            if not REQUEST_ID.fullmatch(request_id):
                raise ValueError("request_id must be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
            headers["x-request-id"] = request_id
        if operation.keyed:
            key = secrets.token_urlsafe(24) if key is None else key
            if not _KEY.fullmatch(key):
                raise ValueError("idempotency_key must be 16 to 128 visible ASCII characters")
            headers["idempotency-key"] = key
        verifies = operation.path.startswith("/api/v1/auth/verify")
        # A verification changes nothing; what changes something is repeated only under its key.
        safe = verifies or operation.method == "GET" or operation.keyed
        path = operation.path.format(**{name: identifier(own) for name, own in ids.items()})
        return Call(
            method=operation.method,
            url=self._url + path,
            headers=headers,
            query={name: _text(value) for name, value in query.items() if value is not None},
            content=None if body is None else write(body),
            timeout=self._verify_timeout_seconds if verifies else self._timeout_seconds,
            retries=(self._retries if retries is None else retries) if safe else 0,
        )

    def _wait(self, call: Call, response: httpx.Response, attempt: int, waited: float) -> Optional[float]:
        """How long to wait before the same is sent again; none where it is not to be."""
        if response.status_code not in (429, 503) or attempt >= call.retries:
            return None
        jitter = _FIRST_WAIT_SECONDS * 2**attempt * (0.5 + random.random())  # noqa: S311 # no secret
        wait = (_retry_after(response) or 0) + jitter
        return wait if waited + wait <= self._longest_wait_seconds else None


def outcome(response: httpx.Response, read: Callable[[Any], T]) -> T:
    """What was answered, or the problem raised."""
    if response.is_success:
        found = _readable(response, read)
        if not isinstance(found, _Unreadable):
            return found
        raise InvalidAnswerError(response.status_code)
    problem = _readable(response, reader(Problem))
    if isinstance(problem, _Unreadable) or problem.status != response.status_code:
        raise InvalidAnswerError(response.status_code)
    raise ProblemError(problem, _retry_after(response))


class _Unreadable:
    """What could not be read; an exception would have it in its context."""


def _readable(response: httpx.Response, read: Callable[[Any], T]) -> Union[T, _Unreadable]:
    try:
        return read(json.loads(response.content) if response.content else None)
    except (ValueError, RecursionError):
        return _Unreadable()


def identifier(own: Id) -> str:
    """An id as text; nothing else gets into a path."""
    text = str(own)
    if not _ID.fullmatch(text):
        raise ValueError("an id must be a UUID")
    return text


def asked(items: Sequence[VerifyItem]) -> list[VerifyItem]:
    """Verifications of others: without a token each would be about the caller itself, and valid."""
    for item in items:
        presented(item.get("token"))
    return list(items)


def presented(token: object) -> str:
    """The credential that somebody presented."""
    if not isinstance(token, str):
        raise TypeError("token must be the credential to decide on, a str")
    return token


def nothing(_: object) -> None:
    """Reads an answer that says nothing."""


def page(kind: Any) -> Callable[[Any], Page]:
    """Reads a page of these."""
    read_item = reader(kind)

    def read(value: Any) -> Page:
        items, cursor = (value.get("items"), value.get("next_cursor")) if isinstance(value, dict) else (0, 0)
        if not isinstance(items, list) or not isinstance(cursor, (str, type(None))):
            raise UnreadableError("a page")
        return Page(tuple(map(read_item, items)), cursor)

    return read


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _retry_after(response: httpx.Response) -> Optional[int]:
    text = response.headers.get("retry-after", "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
