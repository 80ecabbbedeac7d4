"""The real binary, as a process of its own on a store of its own."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

import httpx
import pytest

from keywright import AsyncKeywright, Keywright, KeywrightMiddleware

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / os.environ.get("KEYWRIGHT_TEST_PROGRAM", "target/debug/keywright")
PATIENCE_SECONDS = 30
PASSWORD = "a long sentence that nobody guesses 47"  # noqa: S105


class Server:
    """A running `keywright serve --dev`, and its first token."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "DATABASE_URL": f"sqlite://{folder}/keywright.db",
            "KEYWRIGHT_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "KEYWRIGHT_JOURNAL__DIR": str(folder / "journal"),
            "KEYWRIGHT_JOURNAL__SYNC_INTERVAL_MS": "20",
        }
        self.folder = folder
        self.log = (folder / "log").open("wb")
        command = [str(PROGRAM), "serve", "--dev", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            command, cwd=folder, env=self.environment, stdout=subprocess.PIPE, stderr=self.log
        )
        greeting = ""
        assert self.process.stdout is not None
        while not (said := re.search(r"POST (http://[0-9.:]+)/.*Bearer (sk_[0-9a-f]{64})", greeting)):
            line = self.process.stdout.readline().decode()
            if not line:
                self.stop()
                raise AssertionError((folder / "log").read_text())
            greeting += line
        self.url, self.token = said.groups()

    def stop(self) -> None:
        """Ends it, also when it is paused."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()

    def pause(self) -> None:
        """It goes on listening, and says nothing more."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def run(self, *arguments: str, reading: str = "") -> str:
        """A command of the local operator."""
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=reading,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        ).stdout

    def call(self, method: str, path: str, token: Optional[str] = None, **rest: Any) -> httpx.Response:
        """A call without the SDK."""
        headers = {"authorization": f"Bearer {token or self.token}", **rest.pop("headers", {})}
        return httpx.request(
            method, f"{self.url}/api/v1{path}", headers=headers, timeout=PATIENCE_SECONDS, **rest
        )


def eventually(what: str, find: Callable[[], Optional[T]]) -> T:
    """What is found at last."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = find()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError(what)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """A busy machine is no fault: only what a test makes silent is waited for no longer."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Keywright, AsyncKeywright, KeywrightMiddleware):
            defaults = kind.__init__.__kwdefaults__ or {}
            for name in defaults:
                if name.endswith("timeout_seconds"):
                    patch.setitem(defaults, name, PATIENCE_SECONDS)
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("keywright"))
    yield server
    server.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """One that a test may stop."""
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def admin(server: Server) -> Iterator[Keywright]:
    with Keywright(server.url, server.token) as client:
        yield client


@pytest.fixture
def gateway(server: Server, admin: Keywright) -> AsyncKeywright:
    """What a middleware asks by: a token that may verify, and nothing else."""
    return gateway_of(server, admin)


def gateway_of(server: Server, admin: Keywright) -> AsyncKeywright:
    made = admin.service_tokens.create(
        token_name=f"gateway-{time.monotonic_ns()}", permissions=["tokens:verify"]
    )
    return AsyncKeywright(server.url, made.token)


Mint = Callable[..., str]


@pytest.fixture
def mint(admin: Keywright) -> Mint:
    """Makes a token, and gives its secret."""

    def made(*permissions: str, **more: Any) -> str:
        name = more.pop("token_name", f"token-{time.monotonic_ns()}")
        token = admin.service_tokens.create(token_name=name, permissions=permissions, **more).token
        assert token is not None
        return token

    return made
