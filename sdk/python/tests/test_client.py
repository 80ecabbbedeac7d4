"""The clients, against the real binary."""

from __future__ import annotations

import copy
import pickle
import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Optional

import httpx
import pytest
from conftest import PASSWORD, Mint, Server

from keywright import (
    AsyncKeywright,
    Decision,
    InvalidAnswerError,
    Keywright,
    KeywrightError,
    NoAnswerError,
    ProblemError,
)


class Between(httpx.BaseTransport):
    """Between client and server: answers some requests itself, and lets the others through.

    `lose` sends them on before it does so: what was asked for is done, and its answer lost.
    """

    def __init__(self, *answers: httpx.Response, lose: bool = False) -> None:
        self.inner = httpx.HTTPTransport()
        self.answers = list(answers)
        self.lose = lose
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if not self.answers:
            return self.inner.handle_request(request)
        if self.lose:
            self.inner.handle_request(request).read()
        return self.answers.pop(0)

    def close(self) -> None:
        self.inner.close()


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    document = {
        "type": f"urn:keywright:problem:{code}",
        "title": "Not now",
        "status": status,
        "detail": "It cannot be done.",
        "code": code,
        "request_id": "r-1",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status, json=document, headers={**named, "content-type": "application/problem+json"}
    )


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr("keywright._sync.time.sleep", waited.append)
    return waited


@pytest.fixture
def account(admin: Keywright) -> str:
    name = f"songtrust-{time.monotonic_ns()}"
    scopes = ["works:read", "works:create"]
    return admin.service_accounts.create(name=name, service_type="partner", scopes=scopes).id


def behind(server: Server, between: Between, **options: Any) -> Keywright:
    return Keywright(server.url, server.token, http=httpx.Client(transport=between), **options)


def test_a_credential_is_decided_on_with_what_the_request_needs(admin: Keywright, mint: Mint) -> None:
    token = mint("works:read", metadata={"team": "songs"})
    valid = admin.verify(token, required_scopes=["works:read"], any_scopes=["a:b", "works:read"])
    assert valid.valid
    assert valid.scopes == ("works:read",)
    assert valid.context["metadata"] == {"team": "songs"}
    assert valid.expires_at is not None
    assert valid.expires_at.tzinfo is not None
    denied = admin.verify(token, required_scopes=["works:write"])
    assert not denied.valid
    assert (denied.code, denied.missing_scopes) == ("insufficient_scope", ("works:write",))
    assert not admin.verify(token, any_scopes=["works:write", "a:b"])
    assert admin.verify("sk_short").code == "malformed"
    stranger = admin.verify(token, publisher_id=str(uuid.uuid4()))
    assert stranger.code == "wrong_publisher"


def test_a_denial_is_never_taken_for_true(admin: Keywright, mint: Mint) -> None:
    assert admin.verify(mint("works:read"))
    assert not admin.verify("sk_" + "0" * 64)


def test_a_revoked_token_is_denied_as_soon_as_revoke_returns(admin: Keywright) -> None:
    made = admin.service_tokens.create(token_name="short-lived", permissions=["works:read"])
    assert made.token is not None
    for _ in range(3):
        assert admin.verify(made.token)
    admin.service_tokens.revoke(made.id, reason="test")
    assert admin.verify(made.token).code == "revoked"
    admin.service_tokens.revoke(made.id)
    assert admin.service_tokens.get(made.id).revoked_reason == "test"


def test_cost_is_taken_from_the_limit_and_zero_looks(admin: Keywright, mint: Mint) -> None:
    token = mint("works:read", rate_limits={"per_minute": 5})
    decision = admin.verify(token, cost=3)
    assert decision.valid
    assert decision.rate_limit is not None
    assert (decision.rate_limit.limit, decision.rate_limit.remaining) == (5, 2)
    looked = admin.verify(token, cost=0)
    assert looked.rate_limit is not None
    assert looked.rate_limit.remaining == 2
    assert admin.verify(token, cost=3).code == "rate_limited"


def test_what_was_not_presented_is_never_the_client_itself(admin: Keywright) -> None:
    nothing: Any = None
    with pytest.raises(TypeError):
        admin.verify(nothing)
    with pytest.raises(TypeError):
        admin.verify_batch([{"token": "sk_a"}, {"required_scopes": []}])  # type: ignore[typeddict-item]
    own = admin.verify_self(required_scopes=["works:read"])
    assert own.valid
    assert own.principal.type == "service_token"


def test_a_batch_is_decided_in_its_order(admin: Keywright, mint: Mint) -> None:
    reader, writer = mint("works:read"), mint("works:write")
    wanted = ["works:write"]
    first, second, third = admin.verify_batch(
        [
            {"token": reader, "required_scopes": wanted},
            {"token": writer, "required_scopes": wanted, "method": "PUT"},
            {"token": "nonsense"},
        ]
    )
    assert (first.code, second.code, third.code) == ("insufficient_scope", "valid", "malformed")


def test_tokens_are_made_listed_rotated_and_revoked(admin: Keywright) -> None:
    prefix = f"listed-{time.monotonic_ns()}"
    ends = datetime.now(timezone.utc) + timedelta(days=3)
    made = [
        admin.service_tokens.create(token_name=f"{prefix}-{n}", permissions=["works:read"], expires_at=ends)
        for n in range(5)
    ]
    assert made[0].expires_at == ends
    listed = [token.id for token in admin.service_tokens.list(q=prefix, page_size=2)]
    assert listed == [token.id for token in reversed(made)]
    assert [token.id for token in admin.service_tokens.list(name=f"{prefix}-3")] == [made[3].id]
    rotated = admin.service_tokens.rotate(made[0].id, reason="yearly", grace_seconds=0)
    assert rotated.rotated_from_id == made[0].id
    assert rotated.token not in (None, made[0].token)
    assert made[0].token is not None
    assert admin.verify(made[0].token).code == "expired"
    old = admin.service_tokens.get(uuid.UUID(made[0].id))
    assert old.superseded_by_id == rotated.id


def test_left_out_and_null_differ(admin: Keywright) -> None:
    forever = admin.service_tokens.create(token_name="forever", permissions=["works:read"], expires_at=None)
    usual = admin.service_tokens.create(token_name="usual", permissions=["works:read"])
    assert forever.expires_at is None
    assert usual.expires_at is not None


def test_accounts_and_their_tokens(admin: Keywright, account: str) -> None:
    assert account in [own.id for own in admin.service_accounts.list(service_type="partner", page_size=1)]
    assert admin.service_accounts.get(account).scopes == ("works:create", "works:read")
    tokens = admin.service_accounts.tokens
    made = tokens.create(account, token_name="ada", permissions=["works:read"], metadata={"creator": "ada"})
    assert made.token is not None
    decision = admin.verify(made.token, required_scopes=["works:read"])
    assert decision.valid
    assert (decision.principal.type, decision.principal.id) == ("service_account", account)
    rotated = tokens.rotate(account, made.id, reason="yearly")
    assert [token.status for token in tokens.list(account)] == ["active", "superseded"]
    tokens.revoke(account, rotated.id, reason="over")
    assert tokens.get(account, rotated.id).status == "revoked"


def test_personal_tokens_of_oneself(server: Server, admin: Keywright) -> None:
    publisher = server.call("POST", "/publishers", json={"name": "Songtrust"}).json()["id"]
    email = "ada@example.com"
    server.run(
        *("user", "create", "--email", email, "--publisher", publisher, "--role", "publisher_admin"),
        reading=PASSWORD,
    )
    login = server.call("POST", "/auth/login", json={"email": email, "password": PASSWORD}).json()
    with Keywright(server.url, login["access_token"]) as ada:
        own = ada.personal_tokens
        made = own.create(name="deploy", scopes=["works:write"], publisher_ids=[publisher])
        assert made.token is not None
        decision = admin.verify(made.token, required_scopes=["works:write"])
        assert decision.valid
        assert (decision.token_type, decision.publisher_id) == ("personal", publisher)
        rotated = own.rotate(made.id, reason="new machine", grace_seconds=0)
        assert admin.verify(made.token).code == "expired"
        assert [token.id for token in own.list(status="active")] == [rotated.id]
        own.revoke(rotated.id)
        assert own.get(rotated.id).status == "revoked"
        assert rotated.token is not None
        assert admin.verify(rotated.token).code == "revoked"


@pytest.mark.anyio
async def test_the_async_client_is_the_same(server: Server) -> None:
    async with AsyncKeywright(server.url, server.token) as client:
        prefix = f"async-{time.monotonic_ns()}"
        made = [
            await client.service_tokens.create(token_name=f"{prefix}-{n}", permissions=["a:b"])
            for n in range(3)
        ]
        assert [token.id async for token in client.service_tokens.list(q=prefix, page_size=1)] == [
            token.id for token in reversed(made)
        ]
        assert made[0].token is not None
        assert await client.verify(made[0].token)
        with pytest.raises(ProblemError) as refused:
            await client.service_tokens.get(uuid.uuid4())
        assert (refused.value.status, refused.value.code) == (404, "not_found")


def test_a_problem_says_all_that_is_wrong(admin: Keywright) -> None:
    with pytest.raises(ProblemError) as caught:
        admin.service_tokens.create(token_name="", permissions=["not a scope"])
    found = caught.value
    assert (found.status, found.code, found.denied) == (422, "validation_failed", False)
    assert {error.field for error in found.errors} == {"token_name", "permissions[0]"}
    assert found.request_id in str(found)
    for copied in (copy.copy(found), pickle.loads(pickle.dumps(found))):  # noqa: S301
        assert str(copied) == str(found)
    with pytest.raises(ProblemError) as caught:
        Keywright(admin._url, "sk_" + "0" * 64).service_tokens.get(uuid.uuid4())
    assert (caught.value.status, caught.value.code, caught.value.denied) == (401, "not_found", True)


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_safe_is_sent_again_after_the_time_that_the_answer_names(
    server: Server, mint: Mint, waits: list[float], status: int
) -> None:
    token = mint("works:read")
    between = Between(problem(status, "unavailable", retry_after="1"), problem(status, "unavailable"))
    assert behind(server, between).verify(token)
    assert len(between.seen) == 3
    assert 1.0 < waits[0] <= 1.15
    assert 0.1 <= waits[1] <= 0.3


def test_no_more_is_waited_for_than_may_be(server: Server, waits: list[float]) -> None:
    between = Between(problem(503, "unavailable", retry_after="60"))
    with pytest.raises(ProblemError) as caught:
        behind(server, between).verify("sk_a")
    assert (caught.value.code, caught.value.retry_after_seconds) == ("unavailable", 60)
    between = Between(*[problem(503, "unavailable") for _ in range(9)])
    with pytest.raises(ProblemError):
        behind(server, between, retries=4).verify("sk_a")
    assert (len(between.seen), len(waits)) == (5, 4)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 502, 504])
def test_nothing_else_is_sent_again(server: Server, waits: list[float], status: int) -> None:
    between = Between(problem(status, "other"))
    with pytest.raises(ProblemError):
        behind(server, between).verify("sk_a")
    assert (len(between.seen), waits) == (1, [])


def test_a_change_whose_answer_was_lost_is_made_once(
    server: Server, admin: Keywright, waits: list[float]
) -> None:
    between = Between(problem(503, "outcome_unknown"), lose=True)
    name = f"once-{time.monotonic_ns()}"
    made = behind(server, between).service_tokens.create(token_name=name, permissions=["works:read"])
    keys = {request.headers["idempotency-key"] for request in between.seen}
    assert (len(between.seen), len(waits), len(keys)) == (2, 1, 1)
    assert [token.id for token in admin.service_tokens.list(q=name)] == [made.id]
    assert made.token is not None
    assert admin.verify(made.token)


def test_each_change_has_a_key_of_its_own_unless_one_is_given(server: Server, admin: Keywright) -> None:
    between = Between()
    client = behind(server, between)
    key = secrets.token_hex(16)
    for own in (None, None, key, key):
        name = f"again-{key}" if own else f"keyed-{time.monotonic_ns()}"
        client.service_tokens.create(token_name=name, permissions=["works:read"], idempotency_key=own)
    keys = [request.headers["idempotency-key"] for request in between.seen]
    assert keys[2:] == [key, key]
    assert len(set(keys)) == 3
    assert len(list(admin.service_tokens.list(name=f"again-{key}"))) == 1


def test_a_change_without_a_key_is_never_sent_again(
    server: Server, admin: Keywright, waits: list[float]
) -> None:
    made = admin.service_tokens.create(token_name=f"kept-{time.monotonic_ns()}", permissions=["works:read"])
    between = Between(problem(503, "unavailable"))
    with pytest.raises(ProblemError):
        behind(server, between).service_tokens.revoke(made.id)
    assert (len(between.seen), waits) == (1, [])


def test_a_limit_of_the_client_itself_is_a_problem_that_says_when(server: Server, mint: Mint) -> None:
    token = mint("tokens:verify", rate_limits={"per_minute": 1})
    with Keywright(server.url, token) as client:
        assert client.verify(server.token)
        with pytest.raises(ProblemError) as caught:
            client.verify(server.token)
    assert (caught.value.status, caught.value.code) == (429, "rate_limited")
    assert caught.value.retry_after_seconds is not None


def test_a_server_that_is_away_or_silent_is_no_answer(own_server: Server) -> None:
    client = Keywright(own_server.url, own_server.token, verify_timeout_seconds=0.2, timeout_seconds=0.2)
    own_server.pause()
    with pytest.raises(NoAnswerError, match="ReadTimeout"):
        client.verify("sk_a")
    own_server.stop()
    with pytest.raises(NoAnswerError, match="ConnectError"):
        client.verify("sk_a")
    with pytest.raises(NoAnswerError):
        list(client.service_tokens.list())


ANSWERS: list[Any] = [
    b"",
    b"null",
    b"<html>",
    b"[1]",
    b'{"valid":true}',
    b'{"valid":"true","code":"valid","request_id":"r"}',
    b'{"valid":1,"code":"valid","request_id":"r"}',
    b'{"valid":true,"code":"valid","request_id":"r","scopes":["*"]}',
    b'{"code":"valid","request_id":"r"}',
    b"[" * 100_000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", ANSWERS, ids=range(len(ANSWERS)))
def test_what_is_no_decision_is_never_one(server: Server, body: bytes) -> None:
    client = behind(server, Between(httpx.Response(200, content=body)))
    with pytest.raises(InvalidAnswerError) as caught:
        client.verify("sk_a")
    assert caught.value.status == 200


@pytest.mark.parametrize("status", [301, 302, 404, 502, 503])
def test_what_another_server_says_is_no_problem_of_ours(
    server: Server, waits: list[float], status: int
) -> None:
    pages = [httpx.Response(status, html="<h1>Hello</h1>", headers={"location": "/"}) for _ in range(3)]
    with pytest.raises(InvalidAnswerError) as caught:
        behind(server, Between(*pages)).verify("sk_a")
    assert caught.value.status == status


def test_what_a_newer_server_says_more_is_left_aside(server: Server) -> None:
    denial = {"valid": False, "code": "too_new", "request_id": "r", "more": {"a": 1}}
    decision = behind(server, Between(httpx.Response(200, json=denial))).verify("sk_a")
    assert not decision.valid
    assert str(decision.code) == "too_new"


def test_a_token_can_be_a_function_so_that_it_can_be_rotated(
    server: Server, admin: Keywright, mint: Mint
) -> None:
    current = mint("tokens:verify")
    client = Keywright(server.url, lambda: current)
    before = client.verify_self()
    current = mint("tokens:verify")
    after = client.verify_self()
    assert before.credential_id != after.credential_id


def test_url_and_token_come_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWRIGHT_URL", server.url + "/")
    monkeypatch.setenv("KEYWRIGHT_TOKEN", server.token)
    with Keywright() as client:
        assert client.verify_self()
    for url, token in [
        ("", None),
        (None, ""),
        ("ftp://a", "sk_a"),
        ("https://a:b@c", "sk_a"),
        ("/a", "sk_a"),
    ]:
        with pytest.raises(ValueError, match="must be"):
            Keywright(url, token)


@pytest.mark.parametrize("bad", ["..", "a/b", "", "?x", "01a20052-0d35-7767-83b6-0fa19a9b161/"])
def test_only_an_id_gets_into_a_path(admin: Keywright, bad: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        admin.service_tokens.get(bad)


def test_what_no_header_can_carry_is_refused_before_it_is_sent(admin: Keywright) -> None:
    for bad in ("", "a b", "a\r\nx-admin: 1", "a" * 65):
        with pytest.raises(ValueError, match="request_id"):
            admin.verify("sk_a", request_id=bad)
    with pytest.raises(ValueError, match="idempotency_key"):
        admin.service_tokens.create(token_name="a", permissions=[], idempotency_key="short")
    with pytest.raises(ValueError, match="zone"):
        admin.service_tokens.create(token_name="a", permissions=[], expires_at=datetime(2030, 1, 1))


CANARY = "sk_" + "c0ffee5e" * 8


def after(fault: Callable[[], None], client: Keywright) -> Decision:
    fault()
    return client.verify(CANARY)


def shown(error: Optional[BaseException]) -> Iterator[str]:
    """All that is shown of an exception: itself, what it came from, and what it has in it."""
    while error is not None:
        yield f"{error!r} {error} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__


def test_no_secret_is_in_what_is_printed_logged_or_raised(
    own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    client = Keywright(own_server.url, own_server.token)
    hasty = Keywright(own_server.url, own_server.token, verify_timeout_seconds=0.2)
    made = client.service_tokens.create(token_name="printed", permissions=["works:read"])
    assert made.token is not None
    said = [repr(client), repr(made), str(made), repr(client.verify(made.token))]
    said += map(repr, client.service_tokens.list())
    wrong: Any = []
    failing: list[Callable[[], object]] = [
        lambda: client.service_tokens.create(token_name=CANARY, permissions=[CANARY], metadata=wrong),
        lambda: client.verify(CANARY, cost=-1),
        lambda: Keywright(own_server.url, CANARY).service_tokens.get(uuid.uuid4()),
        lambda: Keywright(own_server.url, CANARY + "\n"),
        lambda: Keywright(own_server.url, lambda: CANARY + "\x00"),
        lambda: behind(own_server, Between(httpx.Response(200, json={"token": CANARY}))).verify(CANARY),
        lambda: behind(own_server, Between(httpx.Response(500, text=CANARY))).verify(CANARY),
        lambda: after(own_server.pause, hasty),
        lambda: after(own_server.stop, hasty),
    ]
    for call in failing:
        with pytest.raises((KeywrightError, ValueError)) as caught:
            call()
        said += shown(caught.value)
    said += [record.getMessage() for record in caplog.records]
    assert caplog.records, "something was logged"
    for secret in (CANARY, own_server.token, made.token):
        assert not [text for text in said if secret[3:] in text]
