"""Middleware and dependencies, before applications in this process, with the real binary behind them."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Optional

import anyio.to_thread
import httpx
import pytest
from conftest import Mint, Server, eventually, gateway_of
from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Message

from keywright import AsyncKeywright, Keywright, KeywrightMiddleware, ValidDecision, authorize
from keywright._gate import Conflict, presented
from keywright._scope import covers
from keywright.fastapi import require
from keywright.types import VerifyItem

pytestmark = pytest.mark.anyio

PEER = "203.0.113.7"
Reached = list[str]
Works = Annotated[ValidDecision, Depends(require("works:read"))]


def application(client: AsyncKeywright, **options: Any) -> tuple[FastAPI, Reached]:
    """An application, and what of it was reached."""
    app, reached = FastAPI(), Reached()

    @app.get("/works")
    async def works(request: Request, decision: Works) -> dict[str, Any]:
        reached.append("works")
        assert request.state.decision is decision
        return {"name": request.state.principal.name, "scopes": decision.scopes}

    @app.get("/mine", dependencies=[Depends(require())])
    async def mine() -> None:
        reached.append("mine")

    @app.get("/either", dependencies=[Depends(require(any_of=["works:write", "catalog:read"]))])
    async def either() -> None:
        reached.append("either")

    @app.get("/tokens", dependencies=[Depends(require("tokens:read"))])
    async def tokens() -> None:
        reached.append("tokens")

    @app.get("/open")
    async def open_to_all(request: Request) -> dict[str, Any]:
        reached.append("open")
        return {"principal": request.state.principal}

    @app.get("/half-open")
    async def half_open(decision: Works) -> dict[str, str]:
        reached.append("half-open")
        return {"name": decision.name}

    @app.websocket("/socket")
    async def socket(socket: WebSocket, decision: Works) -> None:
        reached.append("socket")
        await socket.accept()
        await socket.send_json(decision.name)
        await socket.close()

    app.add_middleware(KeywrightMiddleware, client=client, **{"public": {"/open", "/half-open"}, **options})
    return app, reached


def before(app: Any, token: Optional[str] = None, **headers: str) -> httpx.AsyncClient:
    bearer = {"authorization": f"Bearer {token}"} if token is not None else {}
    transport = httpx.ASGITransport(app, client=(PEER, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers={**bearer, **headers})


async def get(app: Any, path: str, token: Optional[str] = None, **headers: str) -> httpx.Response:
    async with before(
        app, token, **{name.replace("_", "-"): value for name, value in headers.items()}
    ) as client:
        return await client.get(path)


async def test_what_is_valid_goes_on_with_decision_and_principal(gateway: AsyncKeywright, mint: Mint) -> None:
    app, reached = application(gateway)
    token = mint("works:read", token_name="reader")
    answer = await get(app, "/works", token)
    assert (answer.status_code, answer.json()) == (200, {"name": "reader", "scopes": ["works:read"]})
    assert (await get(app, "/mine", token)).status_code == 200
    assert reached == ["works", "mine"]


async def test_a_revoked_token_is_refused_from_the_next_request_on(
    gateway: AsyncKeywright, admin: Keywright
) -> None:
    app, reached = application(gateway)
    made = admin.service_tokens.create(
        token_name=f"revoked-{time.monotonic_ns()}", permissions=["works:read"]
    )
    for _ in range(5):
        assert (await get(app, "/works", made.token)).status_code == 200
    admin.service_tokens.revoke(made.id)
    answer = await get(app, "/works", made.token)
    assert (answer.status_code, answer.json()["code"]) == (401, "revoked")
    assert reached == ["works"] * 5


async def test_what_a_route_asks_for_is_decided_by_keywright_and_on_record(
    server: Server, gateway: AsyncKeywright, admin: Keywright
) -> None:
    app, reached = application(gateway)
    made = admin.service_tokens.create(
        token_name=f"narrow-{time.monotonic_ns()}", permissions=["works:write"]
    )
    assert (await get(app, "/either", made.token)).status_code == 200
    answer = await get(
        app, "/works", made.token, user_agent="agent/7", x_request_id="route-1", cf_ray="8a-FRA"
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer realm="keywright", error="insufficient_scope"'
    assert reached == ["either"]

    def recorded() -> Optional[dict[str, Any]]:
        query = {"credential_id": made.id, "code": "insufficient_scope"}
        events = server.call("GET", "/audit/authentication-events", params=query).json()["items"]
        return events[0] if events else None

    event = eventually("the denial is on record", recorded)
    facts = ("ip_address", "method", "endpoint", "user_agent", "request_id", "cloudflare_ray_id")
    assert [event[fact] for fact in facts] == [PEER, "GET", "/works", "agent/7", "route-1", "8a-FRA"]


async def test_refusals_are_those_of_keywrights_own_endpoints(
    server: Server, gateway: AsyncKeywright, admin: Keywright
) -> None:
    app, reached = application(gateway)
    name = f"refused-{time.monotonic_ns()}"
    account = admin.service_accounts.create(name=name, service_type="partner", scopes=["works:read"])
    options: dict[str, Any] = {
        "revoked": {},
        "expired": {},
        "inactive": {},
        "ip_not_allowed": {"ip_allowlist": ["192.0.2.0/24"]},
        "insufficient_scope": {},
        "principal_disabled": {"service_account_id": account.id},
    }
    tokens = {
        code: admin.service_tokens.create(token_name=f"{name}-{code}", permissions=["works:read"], **more)
        for code, more in options.items()
    }
    admin.service_tokens.revoke(tokens["revoked"].id)
    admin.service_tokens.rotate(tokens["expired"].id, reason="test", grace_seconds=0)
    path = f"/auth/tokens/{tokens['inactive'].id}"
    assert server.call("PATCH", path, json={"is_active": False}).is_success
    assert server.call("POST", f"/service-accounts/{account.id}/disable", json={"reason": "test"}).is_success
    presented = {code: f"Bearer {made.token}" for code, made in tokens.items()}
    presented["not_found"] = "Bearer sk_" + "0" * 64
    presented["malformed"] = "Bearer sk_Ab"
    presented["missing_credential"] = "Basic YTpi"
    for code, header in presented.items():
        own = server.call("GET", "/auth/tokens", headers={"authorization": header})
        answer = await get(app, "/tokens", authorization=header)
        assert own.json()["code"] == code
        assert answer.status_code == own.status_code
        assert {**answer.json(), "request_id": ""} == {**own.json(), "request_id": ""}
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        for header_name in ("content-type", "cache-control", "www-authenticate", "retry-after"):
            assert answer.headers.get(header_name) == own.headers.get(header_name), (code, header_name)
    conflicting = {"authorization": "Bearer sk_a", "x-api-key": "sk_b"}
    own = server.call("GET", "/auth/tokens", headers=conflicting)
    answer = await get(app, "/tokens", **conflicting)
    assert (answer.status_code, answer.json()["code"]) == (400, "conflicting_credentials")
    assert {**answer.json(), "request_id": ""} == {**own.json(), "request_id": ""}
    assert answer.headers["www-authenticate"] == own.headers["www-authenticate"]
    assert reached == []


async def test_limits_are_told_and_used_up_is_429(
    server: Server, gateway: AsyncKeywright, mint: Mint
) -> None:
    app, reached = application(gateway)
    token = mint("works:read", rate_limits={"per_minute": 2})
    for remaining in (1, 0):
        answer = await get(app, "/works", token)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"minute";q=2;w=60'
        assert answer.headers["ratelimit"].startswith(f'"minute";r={remaining};t=')
    answer = await get(app, "/works", token)
    own = server.call("GET", "/auth/me", token)
    assert (answer.status_code, own.status_code) == (429, 429)
    for told in (answer, own):
        assert told.json()["title"] == "Too many requests"
        assert told.json()["type"] == "urn:keywright:denial:rate_limited"
        assert told.headers["ratelimit-policy"] == '"minute";q=2;w=60'
        assert told.headers["ratelimit"].startswith('"minute";r=0;t=')
        assert 0 < int(told.headers["retry-after"]) <= 61
    details = [re.sub(r"in \d+ s\.", "", told.json()["detail"]) for told in (answer, own)]
    assert details[0] == details[1]
    assert reached == ["works"] * 2


async def test_a_route_takes_one_unit_however_often_it_is_asked_about(
    gateway: AsyncKeywright, mint: Mint
) -> None:
    app, _ = application(gateway)
    token = mint("works:write", rate_limits={"per_minute": 3})
    for code in ("insufficient_scope", "insufficient_scope", "insufficient_scope", "rate_limited"):
        assert (await get(app, "/works", token)).json()["code"] == code


@pytest.mark.parametrize("fault", ["away", "silent", "refusing", "forbidden", "nonsense"])
async def test_nothing_passes_when_keywright_does_not_say_that_it_may(
    own_server: Server, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    admin = Keywright(own_server.url, own_server.token)
    gateway = gateway_of(own_server, admin)
    app, reached = application(gateway)
    token = admin.service_tokens.create(token_name="known", permissions=["works:read"]).token
    assert (await get(app, "/works", token)).status_code == 200
    if fault == "away":
        own_server.stop()
    elif fault == "silent":
        own_server.pause()
        app, reached = application(gateway, timeout_seconds=0.2)
    elif fault == "refusing":
        gateway._token = lambda: "sk_" + "0" * 64
    elif fault == "forbidden":
        gateway._token = lambda: str(token)
    else:
        gateway._http = httpx.AsyncClient(
            transport=httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
        )
    answer = await get(app, "/works", token)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" not in answer.headers
    assert reached == ([] if fault == "silent" else ["works"])
    [said] = [record.getMessage() for record in caplog.records if record.name == "keywright"]
    assert token is not None
    assert token[3:] not in said
    assert (await get(app, "/open")).status_code == 200


async def test_keywrights_own_503_is_passed_on(gateway: AsyncKeywright) -> None:
    document = {"type": "urn:keywright:problem:journal_unavailable", "title": "The journal cannot be written",
                "status": 503, "detail": "No.", "code": "journal_unavailable", "request_id": "r"}  # fmt: skip
    full = httpx.Response(503, json=document, headers={"retry-after": "7"})
    gateway._http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: full))
    app, reached = application(gateway)
    answer = await get(app, "/works", "sk_a")
    assert (answer.status_code, answer.json()["code"]) == (503, "journal_unavailable")
    assert answer.headers["retry-after"] == "7"
    assert reached == []


async def test_a_public_path_is_public_alone_and_may_still_ask(gateway: AsyncKeywright, mint: Mint) -> None:
    app, reached = application(gateway)
    assert (await get(app, "/open")).json() == {"principal": None}
    for path in ("/open/", "/Open", "//open", "/open/x", "/openx", "/works/../open/../works", "/nowhere"):
        assert (await get(app, path)).status_code == 401, path
    assert (await get(app, "/half-open")).json()["code"] == "missing_credential"
    assert (await get(app, "/half-open", mint("a:b"))).json()["code"] == "insufficient_scope"
    assert (await get(app, "/half-open", mint("works:*"))).status_code == 200
    assert reached == ["open", "half-open"]


async def test_scopes_of_the_whole_application_are_needed_by_each_route(
    gateway: AsyncKeywright, mint: Mint
) -> None:
    app, reached = application(gateway, required_scopes=["api_read"])
    assert (await get(app, "/mine", mint("works:read"))).json()["code"] == "insufficient_scope"
    assert (await get(app, "/mine", mint("api_read"))).status_code == 200
    assert reached == ["mine"]


async def test_the_address_is_the_peers_unless_the_application_knows_better(
    gateway: AsyncKeywright, mint: Mint
) -> None:
    token = mint("works:read", ip_allowlist=["198.51.100.0/24"])
    forwarded = {"x_forwarded_for": "198.51.100.1", "forwarded": "for=198.51.100.1"}
    app, _ = application(gateway)
    assert (await get(app, "/works", token, **forwarded)).json()["code"] == "ip_not_allowed"
    for address, status in [("198.51.100.1", 200), (PEER, 403), (None, 403), ("nonsense", 403)]:

        def told(_: Mapping[str, Any], address: Optional[str] = address) -> Optional[str]:
            return address

        app, _ = application(gateway, client_address=told)
        assert (await get(app, "/works", token)).status_code == status


async def test_the_publisher_is_the_one_that_the_application_tells(
    server: Server, gateway: AsyncKeywright, admin: Keywright
) -> None:
    def made(name: str) -> str:
        return str(
            server.call("POST", "/publishers", json={"name": f"{name} {time.monotonic_ns()}"}).json()["id"]
        )

    ours, theirs = made("Ours"), made("Theirs")
    account = admin.service_accounts.create(
        name="of ours", service_type="partner", scopes=["works:read"], publisher_id=ours
    )
    token = admin.service_accounts.tokens.create(account.id, token_name="a", permissions=["works:read"]).token

    def named(scope: Mapping[str, Any]) -> Optional[str]:
        return dict(scope["headers"]).get(b"x-tenant", b"").decode() or None

    app, _ = application(gateway, publisher=named)
    for tenant, status in [(ours, 200), (theirs, 403), ("nonsense", 403)]:
        answer = await get(app, "/works", token, x_tenant=tenant)
        assert answer.status_code == status
        assert status == 200 or answer.json()["code"] == "wrong_publisher"
    app, _ = application(gateway, publisher=theirs)
    assert (await get(app, "/works", token)).json()["code"] == "wrong_publisher"


async def test_scopes_are_compared_as_keywright_compares_them(gateway: AsyncKeywright, mint: Mint) -> None:
    held = ["*", "a:*", "a:admin", "a", "a:b", "a:b:*", "ab:*"]
    wanted = ["*", "a", "a:*", "a:admin", "a:b", "a:b:c", "a:b:*", "a:b:admin", "ab", "ab:c"]
    for scope in held:
        token = mint(scope)
        items: list[VerifyItem] = [{"token": token, "required_scopes": [each]} for each in wanted]
        decided = [each for each, decision in zip(wanted, await gateway.verify_batch(items)) if decision]
        assert [each for each in wanted if covers(scope, each)] == decided, scope


def test_what_is_no_scope_is_told_where_it_is_written() -> None:
    for bad in ("", "Works:read", "works:", "*:a", "a b", "a" * 101):
        with pytest.raises(ValueError, match="no scope"):
            require(bad)
    with pytest.raises(TypeError):
        require(any_of="works:read")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([("authorization", "Bearer a")], "a"),
        ([("Authorization", "bEARER a")], "a"),
        ([("AUTHORIZATION", "bearer a")], "a"),
        ([("authorization", "Basic a")], None),
        ([("authorization", "Bearer a"), ("x-api-key", "a")], "a"),
        ([("authorization", "Bearer a"), ("X-API-Key", "b")], Conflict),
        ([("authorization", "Bearer a"), ("authorization", "Bearer b")], Conflict),
        ([("authorization", "Bearer a"), ("Authorization", "bearer a")], "a"),
        ([("authorization", "Basic a"), ("authorization", "Bearer b")], "b"),
        ([("authorization", "Bearer")], ""),
        ([("authorization", "Bearer  a")], " a"),
        ([("authorization", "Bearer a ")], "a "),
        ([("authorization", "Bearer\ta")], None),
        ([("authorization", "Bearera")], None),
        ([("authorization", " Bearer a")], None),
        ([("authorization", "Bearer a, Bearer b")], "a, Bearer b"),
        ([("x_api_key", "a")], None),
        ([("x-api-key", "a"), ("x-api-key", "b")], Conflict),
        ([("cf-access-jwt-assertion", "c")], "c"),
        ([("cf-access-jwt-assertion", "c"), ("authorization", "Bearer a")], "a"),
        ([("cf-access-jwt-assertion", "c"), ("authorization", "Basic a")], "c"),
        ([("cf-access-jwt-assertion", "c"), ("cf-access-jwt-assertion", "d")], Conflict),
    ],
)
def test_one_credential_is_found_or_none(headers: list[tuple[str, str]], expected: Any) -> None:
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers]}
    found = presented(scope)
    assert isinstance(found, Conflict) if expected is Conflict else found == expected


@pytest.mark.parametrize(
    "bad", ["", " ", "\x00", "\xe9\xff", "sk_" + "0" * 63, "a" * 20_000, '"}', "sk_\ud83d"]
)
async def test_whatever_is_presented_is_answered_and_passes_nothing(
    gateway: AsyncKeywright, bad: str
) -> None:
    app, reached = application(gateway)
    sent, _ = await exchange(app, [(b"authorization", b"Bearer " + bad.encode("utf-8", "replace"))])
    assert sent[0]["status"] == 401
    assert b'"code":"malformed"' in sent[1]["body"]
    assert reached == []


async def test_odd_facts_do_not_keep_a_valid_request_out(gateway: AsyncKeywright, mint: Mint) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    headers = [
        (b"authorization", b"Bearer " + mint("works:read").encode()),
        (b"user-agent", b"\xff" * 60_000),
        (b"cf-ray", b"\x01" * 500),
        (b"x-request-id", b"not one\xff"),
    ]
    guarded = KeywrightMiddleware(app, gateway)
    sent, _ = await exchange(guarded, headers, path="/\ud800\x00" + "x" * 60_000, method="X" * 999)
    assert sent[0]["status"] == 204


async def exchange(
    app: Any,
    headers: list[tuple[bytes, bytes]],
    kind: str = "http",
    path: str = "/works",
    messages: Optional[list[Message]] = None,
    **more: Any,
) -> tuple[list[Message], list[Message]]:
    """What an application sends for a scope, and what of `messages` it did not take."""
    left: list[Message] = [{"type": "http.request", "body": b""}] if messages is None else messages
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": (PEER, 1),
        **more,
    }
    if kind != "http":
        del scope["method"]
    await app(scope, receive, send)
    return sent, left


async def test_bodies_pass_untouched_in_both_directions(gateway: AsyncKeywright, mint: Mint) -> None:
    received, answers = [], [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")], "trailers": True},
        {"type": "http.response.body", "body": b"1", "more_body": True},
        {"type": "http.response.body", "body": b"2", "more_body": False},
        {"type": "http.response.trailers", "headers": []},
    ]  # fmt: skip
    chunks: list[Message] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive() for _ in range(3)])
        for answer in answers:
            await send(answer)

    headers = [(b"authorization", b"Bearer " + mint("works:read").encode())]
    sent, left = await exchange(KeywrightMiddleware(app, gateway), headers, messages=list(chunks))
    assert all(ours is theirs for ours, theirs in zip(sent, answers))
    assert all(ours is theirs for ours, theirs in zip(received, chunks))
    assert (len(sent), len(received), left) == (4, 3, [])


async def test_a_refused_body_is_not_read_and_a_streamed_answer_flows(
    gateway: AsyncKeywright, mint: Mint
) -> None:
    app, _ = application(gateway)

    @app.post("/upload")
    async def upload(request: Request) -> StreamingResponse:
        chunks = [chunk async for chunk in request.stream()]

        async def echo() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return StreamingResponse(echo())

    async def body() -> AsyncIterator[bytes]:
        for n in range(50):
            yield bytes([n]) * 1000

    async with before(app, mint("works:read")) as client:
        answer = await client.post("/upload", content=body())
    assert answer.content == b"".join(bytes([n]) * 1000 for n in range(50))
    sent, left = await exchange(app, [], messages=[{"type": "http.request", "body": b"a", "more_body": True}])
    assert (sent[0]["status"], len(left)) == (401, 1)


async def test_a_route_that_asks_late_never_answers_twice(gateway: AsyncKeywright, mint: Mint) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await authorize(scope, "works:write")

    headers = [(b"authorization", b"Bearer " + mint("works:read").encode())]
    with pytest.raises(Exception, match="403 insufficient_scope"):
        await exchange(KeywrightMiddleware(app, gateway), headers)


async def test_an_application_without_the_middleware_lets_nobody_in() -> None:
    app = FastAPI()
    app.get("/", dependencies=[Depends(require())])(lambda: None)
    with pytest.raises(RuntimeError, match="KeywrightMiddleware"):
        await get(app, "/", "sk_a")


def test_a_websocket_is_refused_before_it_opens(gateway: AsyncKeywright, mint: Mint) -> None:
    app, reached = application(gateway)
    with TestClient(app) as client:
        for token, status in [("sk_a", 401), (mint("works:write"), 403)]:
            headers = {"authorization": f"Bearer {token}"}
            with (
                pytest.raises(WebSocketDenialResponse) as refused,
                client.websocket_connect("/socket", headers=headers),
            ):
                pass
            assert refused.value.status_code == status
            assert refused.value.headers["content-type"] == "application/problem+json"
        assert reached == []
        headers = {"x-api-key": mint("works:read", token_name="by socket")}
        with client.websocket_connect("/socket", headers=headers) as socket:
            assert socket.receive_json() == "by socket"


async def test_a_server_that_cannot_answer_a_handshake_closes_it(gateway: AsyncKeywright) -> None:
    app, reached = application(gateway)
    headers = [(b"authorization", b"Bearer sk_a")]
    sent, left = await exchange(
        app, headers, kind="websocket", path="/socket", messages=[{"type": "websocket.connect"}]
    )
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "malformed"}]
    assert (left, reached) == ([], [])


async def test_lifespan_passes_and_what_is_unknown_does_not(gateway: AsyncKeywright) -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"from_lifespan": "yes"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/open")
    async def open_to_all(request: Request) -> str:
        return str(request.state.from_lifespan)

    app.add_middleware(KeywrightMiddleware, client=gateway, public=["/open"])

    def visit() -> str:
        with TestClient(app) as client:
            return str(client.get("/open").json())

    assert await anyio.to_thread.run_sync(visit) == "yes"
    with pytest.raises(ValueError, match="http, websocket and lifespan"):
        await exchange(app, [], kind="webtransport")


def test_the_document_of_the_application_tells_of_the_credential(gateway: AsyncKeywright) -> None:
    app, _ = application(gateway)
    document = app.openapi()
    assert document["components"]["securitySchemes"]["Keywright"]["scheme"] == "bearer"
    assert document["paths"]["/works"]["get"]["security"] == [{"Keywright": []}]
    assert "security" not in document["paths"]["/open"]["get"]
