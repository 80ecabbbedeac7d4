from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

import httpx

from . import _operations as operations
from ._base import NONE, Base, Call, Id, Token, asked, nothing, outcome, page, presented
from ._operations import Operation
from ._wire import UnreadableError, read_decision, reader
from .errors import NoAnswerError
from .types import (
    AccountTokenFilter,
    CreateAccountToken,
    CreatedPersonalToken,
    CreatedServiceToken,
    CreatePersonalToken,
    CreateServiceAccount,
    CreateServiceToken,
    Decision,
    Facts,
    PersonalToken,
    PersonalTokenFilter,
    RotateServiceToken,
    ServiceAccount,
    ServiceAccountFilter,
    ServiceToken,
    ServiceTokenFilter,
    VerifyItem,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


class AsyncKeywright(Base):
    """A client of a Keywright.

    `url` and `token` are those of `KEYWRIGHT_URL` and `KEYWRIGHT_TOKEN` where they are left out. `token` may
    be a function, which is asked before each request: so a credential can be rotated while the client lives.

    `publisher_id` is the publisher that a credential of several acts for. A verification has to be answered
    within `verify_timeout_seconds`, anything else within `timeout_seconds`. What is answered with 503 or 429
    is sent again up to `retries` times, as long as all waiting takes no more than `longest_wait_seconds`;
    what changes something only under an idempotency key, which is made for each call that takes one.

    `http` is an httpx client of your own, for a proxy or for certificates; it stays yours to close.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[Token] = None,
        *,
        publisher_id: Optional[Id] = None,
        timeout_seconds: float = 10.0,
        verify_timeout_seconds: float = 1.0,
        retries: int = 2,
        longest_wait_seconds: float = 3.0,
        http: Optional[httpx.AsyncClient] = None,
    ) -> None:
        super().__init__(
            url,
            token,
            publisher_id=publisher_id,
            timeout_seconds=timeout_seconds,
            verify_timeout_seconds=verify_timeout_seconds,
            retries=retries,
            longest_wait_seconds=longest_wait_seconds,
        )
        self._own_http = http is None
        self._http = http or httpx.AsyncClient()
        self.service_tokens = AsyncServiceTokens(self)
        self.service_accounts = AsyncServiceAccounts(self)
        self.personal_tokens = AsyncPersonalTokens(self)

    async def __aenter__(self) -> AsyncKeywright:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes its connections, but for those of an `http` that was given."""
        if self._own_http:
            await self._http.aclose()

    async def verify(
        self,
        token: str,
        *,
        request_id: Optional[str] = None,
        retries: Optional[int] = None,
        **facts: Unpack[Facts],
    ) -> Decision:
        """Decides on a credential that was presented to you; needs `tokens:verify`.

        A denial is an answer, not an exception: let through only what is `valid`.
        """
        call = self._call(
            operations.VERIFY,
            body={**facts, "token": presented(token)},
            request_id=request_id,
            retries=retries,
        )
        return await self._send(call, read_decision)

    async def verify_self(
        self, *, request_id: Optional[str] = None, retries: Optional[int] = None, **facts: Unpack[Facts]
    ) -> Decision:
        """Decides on the client's own credential; needs no permission."""
        call = self._call(operations.VERIFY, body=facts, request_id=request_id, retries=retries)
        return await self._send(call, read_decision)

    async def verify_batch(
        self, items: Sequence[VerifyItem], *, request_id: Optional[str] = None, retries: Optional[int] = None
    ) -> tuple[Decision, ...]:
        """Decides on up to 100 credentials, each with facts of its own, in their order."""

        def read(value: Any) -> tuple[Decision, ...]:
            found = value.get("items") if isinstance(value, dict) else None
            if not isinstance(found, list) or len(found) != len(items):
                raise UnreadableError("a decision for each")
            return tuple(read_decision(item) for item in found)

        call = self._call(
            operations.VERIFY_BATCH, body={"items": asked(items)}, request_id=request_id, retries=retries
        )
        return await self._send(call, read)

    async def _do(self, operation: Operation, read: Callable[[Any], T], **rest: Any) -> T:
        return await self._send(self._call(operation, **rest), read)

    async def _send(self, call: Call, read: Callable[[Any], T]) -> T:
        attempt, waited = 0, 0.0
        while True:
            response = await self._exchange(call)
            wait = self._wait(call, response, attempt, waited)
            if wait is None:
                return outcome(response, read)
            await asyncio.sleep(wait)
            attempt, waited = attempt + 1, waited + wait

    async def _exchange(self, call: Call) -> httpx.Response:
        try:
            return await self._http.request(
                call.method,
                call.url,
                headers={**call.headers, "authorization": self._bearer()},
                params=call.query or None,
                content=call.content,
                timeout=call.timeout,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            reason = type(error).__name__
        # Raised out here: the error has the request with it, and the request the secrets.
        raise NoAnswerError(reason)

    async def _pages(
        self,
        operation: Operation,
        kind: type[T],
        page_size: int,
        query: Mapping[str, object],
        ids: Mapping[str, Id] = NONE,
    ) -> AsyncIterator[T]:
        read, cursor = page(kind), None
        while True:
            where = {**query, "limit": page_size, "cursor": cursor}
            found = await self._send(self._call(operation, ids=ids, query=where), read)
            for item in found.items:
                yield item
            cursor = found.next_cursor
            if cursor is None:
                return


class AsyncServiceTokens:
    """Service tokens, those of accounts included."""

    def __init__(self, client: AsyncKeywright) -> None:
        self._client = client

    async def create(
        self, *, idempotency_key: Optional[str] = None, **body: Unpack[CreateServiceToken]
    ) -> CreatedServiceToken:
        """Makes one. Its secret, `token`, is in this answer and in no other."""
        read = reader(CreatedServiceToken)
        return await self._client._do(operations.CREATE_SERVICE_TOKEN, read, body=body, key=idempotency_key)

    def list(
        self, *, page_size: int = 50, **filters: Unpack[ServiceTokenFilter]
    ) -> AsyncIterator[ServiceToken]:
        """All that you may see, newest first; asks for a page whenever one is needed."""
        return self._client._pages(operations.LIST_SERVICE_TOKENS, ServiceToken, page_size, filters)

    async def get(self, token_id: Id) -> ServiceToken:
        """One of them."""
        ids = {"id": token_id}
        return await self._client._do(operations.GET_SERVICE_TOKEN, reader(ServiceToken), ids=ids)

    async def rotate(
        self, token_id: Id, *, idempotency_key: Optional[str] = None, **body: Unpack[RotateServiceToken]
    ) -> CreatedServiceToken:
        """Puts a new one in its place; the old secret works on through its grace."""
        read, ids = reader(CreatedServiceToken), {"id": token_id}
        return await self._client._do(
            operations.ROTATE_SERVICE_TOKEN, read, ids=ids, body=body, key=idempotency_key
        )

    async def revoke(self, token_id: Id, *, reason: Optional[str] = None) -> None:
        """Ends it. In force when this returns; again, it changes nothing."""
        ids, query = {"id": token_id}, {"reason": reason}
        await self._client._do(operations.REVOKE_SERVICE_TOKEN, nothing, ids=ids, query=query)


class AsyncServiceAccounts:
    """Service accounts, the identities of external systems."""

    def __init__(self, client: AsyncKeywright) -> None:
        self._client = client
        self.tokens = AsyncAccountTokens(client)

    async def create(
        self, *, idempotency_key: Optional[str] = None, **body: Unpack[CreateServiceAccount]
    ) -> ServiceAccount:
        """Makes one, of a publisher or of the platform."""
        read = reader(ServiceAccount)
        return await self._client._do(operations.CREATE_SERVICE_ACCOUNT, read, body=body, key=idempotency_key)

    def list(
        self, *, page_size: int = 50, **filters: Unpack[ServiceAccountFilter]
    ) -> AsyncIterator[ServiceAccount]:
        """All that you may see, newest first."""
        return self._client._pages(operations.LIST_SERVICE_ACCOUNTS, ServiceAccount, page_size, filters)

    async def get(self, account_id: Id) -> ServiceAccount:
        """One of them."""
        ids = {"id": account_id}
        return await self._client._do(operations.GET_SERVICE_ACCOUNT, reader(ServiceAccount), ids=ids)


class AsyncAccountTokens:
    """Service tokens of an account: they lie within what the account may."""

    def __init__(self, client: AsyncKeywright) -> None:
        self._client = client

    async def create(
        self,
        account_id: Id,
        *,
        idempotency_key: Optional[str] = None,
        **body: Unpack[CreateAccountToken],
    ) -> CreatedServiceToken:
        """Makes one. Its secret, `token`, is in this answer and in no other."""
        read, ids = reader(CreatedServiceToken), {"id": account_id}
        return await self._client._do(
            operations.CREATE_SERVICE_ACCOUNT_TOKEN, read, ids=ids, body=body, key=idempotency_key
        )

    def list(
        self, account_id: Id, *, page_size: int = 50, **filters: Unpack[AccountTokenFilter]
    ) -> AsyncIterator[ServiceToken]:
        """Those of the account, newest first."""
        ids = {"id": account_id}
        return self._client._pages(
            operations.LIST_SERVICE_ACCOUNT_TOKENS, ServiceToken, page_size, filters, ids
        )

    async def get(self, account_id: Id, token_id: Id) -> ServiceToken:
        """One of them."""
        ids = {"id": account_id, "token_id": token_id}
        return await self._client._do(operations.GET_SERVICE_ACCOUNT_TOKEN, reader(ServiceToken), ids=ids)

    async def rotate(
        self,
        account_id: Id,
        token_id: Id,
        *,
        idempotency_key: Optional[str] = None,
        **body: Unpack[RotateServiceToken],
    ) -> CreatedServiceToken:
        """Puts a new one in its place; the old secret works on through its grace."""
        read, ids = reader(CreatedServiceToken), {"id": account_id, "token_id": token_id}
        return await self._client._do(
            operations.ROTATE_SERVICE_ACCOUNT_TOKEN, read, ids=ids, body=body, key=idempotency_key
        )

    async def revoke(self, account_id: Id, token_id: Id, *, reason: Optional[str] = None) -> None:
        """Ends it. In force when this returns; again, it changes nothing."""
        ids, query = {"id": account_id, "token_id": token_id}, {"reason": reason}
        await self._client._do(operations.REVOKE_SERVICE_ACCOUNT_TOKEN, nothing, ids=ids, query=query)


class AsyncPersonalTokens:
    """Personal tokens of the user whose access token the client bears."""

    def __init__(self, client: AsyncKeywright) -> None:
        self._client = client

    async def create(
        self, *, idempotency_key: Optional[str] = None, **body: Unpack[CreatePersonalToken]
    ) -> CreatedPersonalToken:
        """Makes one. Its secret, `token`, is in this answer and in no other."""
        read = reader(CreatedPersonalToken)
        return await self._client._do(operations.CREATE_PERSONAL_TOKEN, read, body=body, key=idempotency_key)

    def list(
        self, *, page_size: int = 50, **filters: Unpack[PersonalTokenFilter]
    ) -> AsyncIterator[PersonalToken]:
        """One's own, newest first."""
        return self._client._pages(operations.LIST_PERSONAL_TOKENS, PersonalToken, page_size, filters)

    async def get(self, token_id: Id) -> PersonalToken:
        """One of them."""
        ids = {"id": token_id}
        return await self._client._do(operations.GET_PERSONAL_TOKEN, reader(PersonalToken), ids=ids)

    async def rotate(
        self, token_id: Id, *, idempotency_key: Optional[str] = None, **body: Unpack[RotateServiceToken]
    ) -> CreatedPersonalToken:
        """Puts a new one in its place; the old secret works on through its grace."""
        read, ids = reader(CreatedPersonalToken), {"id": token_id}
        return await self._client._do(
            operations.ROTATE_PERSONAL_TOKEN, read, ids=ids, body=body, key=idempotency_key
        )

    async def revoke(self, token_id: Id, *, reason: Optional[str] = None) -> None:
        """Ends it. In force when this returns; again, it changes nothing."""
        ids, query = {"id": token_id}, {"reason": reason}
        await self._client._do(operations.REVOKE_PERSONAL_TOKEN, nothing, ids=ids, query=query)
