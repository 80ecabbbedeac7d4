"""ASGI middleware: nothing reaches the application but what Keywright says is valid."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, MutableMapping, Sequence
from typing import Any, Callable, Optional, Union

from ._async import AsyncKeywright
from ._base import Id
from ._gate import Gate, Passage
from ._refusal import Headers, Refusal, limit_headers
from ._scope import checked, covers
from .types import ValidDecision

__all__ = ["KeywrightMiddleware", "RefusedError", "authorize"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

_PASSAGE = "keywright"


class RefusedError(Exception):
    """A request that `authorize` does not let go on; the middleware answers it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.status} {refusal.code}")
        self.refusal = refusal


class KeywrightMiddleware:
    """Verifies the credential of every HTTP request and WebSocket handshake.

    What is valid goes on, with the `ValidDecision` in `scope["state"]["decision"]`, and who it speaks for in
    `scope["state"]["principal"]`; Starlette has those in `request.state`. Anything else is answered here:
    400, 401, 403, 429, and 503 when Keywright cannot tell.

    `required_scopes` are needed by all of the application; what a route needs, `authorize` asks for.
    `public` names the paths that need no credential, each as a whole. `client_address` tells the address of
    the client; by default it is the peer's. No forwarded header is believed here: a server behind a proxy has
    to be told by its own settings which proxy to trust. `publisher` tells for which publisher a request is,
    where it is not the credential's only one.

    An answer is waited for `timeout_seconds` in all, and asked for again up to `retries` times in that time
    when it is 503.
    """

    def __init__(
        self,
        app: Application,
        client: AsyncKeywright,
        *,
        required_scopes: Sequence[str] = (),
        public: Collection[str] = (),
        client_address: Optional[Callable[[Mapping[str, Any]], Optional[str]]] = None,
        publisher: Union[Id, Callable[[Mapping[str, Any]], Optional[Id]], None] = None,
        timeout_seconds: float = 2.0,
        retries: int = 0,
    ) -> None:
        if isinstance(public, str) or isinstance(required_scopes, str):
            raise TypeError("public and required_scopes are collections of str")
        self._app = app
        self._required_scopes = [checked(scope) for scope in required_scopes]
        self._public = frozenset(public)
        self._gate = Gate(
            client=client,
            client_address=client_address or peer,
            publisher=publisher if callable(publisher) else (lambda _: publisher),
            timeout_seconds=timeout_seconds,
            retries=retries,
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise ValueError("the middleware knows http, websocket and lifespan alone")
        passage = self._gate.passage(scope)
        state = {**(scope.get("state") or {}), _PASSAGE: passage, "decision": None, "principal": None}
        if scope["path"] not in self._public:
            decision = await passage.ask(self._required_scopes, (), 1)
            if isinstance(decision, Refusal):
                await refuse(decision, scope, receive, send)
                return
            state.update(decision=decision, principal=decision.principal)
        scope["state"] = state
        await self._pass(scope, receive, send, passage)

    async def _pass(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, passage: Passage
    ) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if not started and message["type"] == "http.response.start":
                message = _with_limits(message, passage.decision)
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except RefusedError as refused:
            if started:
                raise
            await refuse(refused.refusal, scope, None, send)


async def authorize(scope: Mapping[str, Any], *scopes: str, any_of: Sequence[str] = ()) -> ValidDecision:
    """Lets a request go on that carries all `scopes`, and one of `any_of` where there are any.

    What the middleware has been told already is not asked again; what is refused, Keywright itself refuses,
    and has it on record. On a public path the credential is verified here. Whatever is not to go on raises
    `RefusedError`, which the middleware answers; leave it alone.
    """
    passage = (scope.get("state") or {}).get(_PASSAGE)
    if not isinstance(passage, Passage):
        raise RuntimeError("KeywrightMiddleware is not before this application")  # noqa: TRY004 # no argument
    held = passage.decision
    if held is not None and _carries(held, scopes, any_of):
        return held
    decision = await passage.ask(scopes, any_of, 1 if held is None else 0)
    if isinstance(decision, Refusal):
        raise RefusedError(decision)
    state = scope["state"]
    state["decision"], state["principal"] = decision, decision.principal
    return decision


def peer(scope: Mapping[str, Any]) -> Optional[str]:
    """The address at the other end of the connection."""
    client = scope.get("client")
    return client[0] if client else None


async def refuse(refusal: Refusal, scope: Mapping[str, Any], receive: Optional[Receive], send: Send) -> None:
    """Answers in the place of the application."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if receive is not None:
            await receive()  # the handshake, which is there already
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            # The server answers 403, and tells no more.
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
            return
        kind = "websocket.http.response"
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": refusal.headers})
    await send({"type": f"{kind}.body", "body": refusal.body})


def _carries(decision: ValidDecision, scopes: Sequence[str], any_of: Sequence[str]) -> bool:
    def has(wanted: str) -> bool:
        return any(covers(held, wanted) for held in decision.scopes)

    return all(map(has, scopes)) and (not any_of or any(map(has, any_of)))


def _with_limits(message: Message, decision: Optional[ValidDecision]) -> Message:
    limit = limit_headers(decision.rate_limit if decision else None)
    headers: Headers = list(message.get("headers") or [])
    if not limit or any(name.lower() == b"ratelimit" for name, _ in headers):
        return message
    return {**message, "headers": headers + limit}
