"""The blocks of the README run, one after the other, against the real binary."""

from __future__ import annotations

import ast
import asyncio
import builtins
import re
from inspect import CO_COROUTINE
from pathlib import Path
from types import FunctionType
from typing import Any

import httpx
import pytest
from conftest import Mint, Server

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks() -> list[tuple[int, str]]:
    """Each block of Python, with the line at which it begins."""
    text = README.read_text()
    found = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)), block[1]) for block in found]


def test_what_the_readme_shows_runs(server: Server, mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWRIGHT_URL", server.url)
    monkeypatch.setenv("KEYWRIGHT_TOKEN", server.token)
    assert len(blocks()) >= 5
    names: dict[str, Any] = {"__name__": "readme", "__builtins__": builtins}

    async def run() -> None:
        for line, block in blocks():
            code = compile("\n" * line + block, README, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = FunctionType(code, names)()
            if code.co_flags & CO_COROUTINE:
                await result
        # The application of the README, as its users would find it.
        transport = httpx.ASGITransport(names["app"], client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            for token, status in ((None, 401), (mint("works:write"), 403), (mint("works:read"), 200)):
                headers = {"authorization": f"Bearer {token}"} if token else {}
                assert (await client.get("/works", headers=headers)).status_code == status
            assert (await client.get("/health")).status_code == 200

    asyncio.run(run())
