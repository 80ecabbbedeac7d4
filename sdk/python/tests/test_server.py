"""Behind a real ASGI server, byte by byte: what a header parser makes of odd requests."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from conftest import Mint, Server, eventually, gateway_of
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from keywright import Keywright, KeywrightMiddleware


@pytest.fixture(scope="module")
def port(server: Server) -> Iterator[int]:
    async def works(request: Request) -> JSONResponse:
        return JSONResponse({"name": request.state.principal.name})

    with Keywright(server.url, server.token) as admin:
        gateway = gateway_of(server, admin)
    app = Starlette(routes=[Route("/works", works)])
    app.add_middleware(KeywrightMiddleware, client=gateway)
    config = uvicorn.Config(app, port=0, ws="none", log_level="warning")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    eventually("the server serves", lambda: running.started or None)
    yield running.servers[0].sockets[0].getsockname()[1]
    running.should_exit = True
    thread.join()


def ask(port: int, *lines: str, target: str = "/works") -> tuple[int, Any]:
    """The status and the body that is answered to these header lines, sent as they are."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        head = [f"GET {target} HTTP/1.1", "Host: api", "Connection: close", *lines, "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    top, _, body = answer.partition(b"\r\n\r\n")
    status = int(top.split(b" ")[1])
    return status, json.loads(body) if b"json" in top else {"code": None}


def test_one_bearer_in_any_spelling_passes(port: int, mint: Mint) -> None:
    token = mint("works:read", token_name="on the wire")
    for lines in (
        [f"Authorization: Bearer {token}"],
        [f"authorization: bearer {token}"],
        [f"AUTHORIZATION: BEARER {token}"],
        [f"Authorization:   Bearer {token}  "],
        [f"aUTHORIZATION: Bearer {token}", f"Authorization: Bearer {token}"],
        [f"X-Api-Key: {token}"],
        [f"Authorization: Bearer {token}", f"x-api-key: {token}"],
        ["Authorization: Basic YTpi", f"Authorization: Bearer {token}"],
    ):
        assert ask(port, *lines) == (200, {"name": "on the wire"}), lines


def test_what_is_smuggled_in_beside_a_good_token_does_not_pass(port: int, mint: Mint) -> None:
    token, other = mint("works:read"), mint("works:read")
    for lines, code in (
        ([f"Authorization: Bearer {token}", f"Authorization: Bearer {other}"], "conflicting_credentials"),
        ([f"Authorization: Bearer {token}", f"authorization: bearer {other}"], "conflicting_credentials"),
        ([f"Authorization: Bearer {token}", "Authorization: Bearer"], "conflicting_credentials"),
        ([f"Authorization: Bearer {token}", f"X-API-Key: {other}"], "conflicting_credentials"),
        ([f"Authorization: Bearer {token}, Bearer {other}"], "malformed"),
        ([f"Authorization: Bearer  {token}"], "malformed"),
        ([f"Authorization: Bearer {token.upper()}"], "malformed"),
        ([f"Authorization: Bearer {token}0"], "malformed"),
        (["Authorization: Bearer"], "malformed"),
        (["Authorization: Bearer \xa0" + token], "malformed"),
        ([f"Authorization: Bearer\t{token}"], "missing_credential"),
        ([f"Authorization: {token}"], "missing_credential"),
        ([f"X_API_KEY: {token}"], "missing_credential"),
        ([f"X-Authorization: Bearer {token}"], "missing_credential"),
        ([f"Cookie: authorization=Bearer {token}"], "missing_credential"),
    ):
        status, answer = ask(port, *lines)
        assert answer["code"] == code, lines
        assert status in (400, 401)
    assert ask(port, target=f"/works?token={token}&access_token={token}")[1]["code"] == "missing_credential"
    for line in (f"Authorization : Bearer {token}", f"Authorization\t: Bearer {token}"):
        assert ask(port, line)[0] in (400, 401)
