#!/usr/bin/env python3
"""Sends requests that follow from the OpenAPI document, and such that break it, to a real server; see --help."""

import argparse
import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = ROOT / (os.environ.get("KEYWRIGHT_TEST_PROGRAM") or "target/debug/keywright")
PASSWORD = "seven blue walruses hum"
SEED = 20261127

# Operations that no caller tries, each with its reason. This list may only shrink, and says how long it is.
EXCLUDED = {
    "emergency_revoke": "it ends every credential in its reach, that of the caller too: all that follows would be 401",
    "revoke_own_service_token": "it ends the credential of the caller",
    "log_out": "it ends the session of the caller",
    "log_out_everywhere": "the same",
    "rotate_own_service_token": "it supersedes the credential of the caller",
    "stream_invalidations": "its answer goes on until somebody hangs up, which a test of its own does",
    "get_metrics": "a scrape in OpenMetrics, which a test of its own reads",
}
MOST_EXCLUDED = 7

# Every check of schemathesis, but for these, each with its reason.
UNCHECKED = {
    "unsupported_method": "a test tries every method of every path; a proxy asks by any",
    "allow_header_conformance": "the same",
    "positive_data_acceptance": "a document cannot tell all: names are unique, nobody grants what they lack",
}

# An administrator gets so many operations done; fewer, and what is tried is too seldom what somebody would ask for.
LEAST_CARRIED_OUT = 90

# Where one check does not fit an operation, and why.
UNFIT = {
    ("report_leaks_by_github", "missing_required_header"): "where GitHub is not listened to, that is told first, as 409",
    ("verify", "ignored_auth"): "what is wrong with the caller's own credential is the decision that is asked for, and 200",
}


class Database:
    """An empty database of its own on a PostgreSQL server, dropped at the end."""

    def __init__(self, server, name):
        parts = urllib.parse.urlsplit(server)
        self.name = f"keywright_fuzz_{os.getpid()}_{name}"
        # What psql is told by its environment stands in no list of processes.
        told = {"HOST": parts.hostname, "PORT": parts.port or 5432, "USER": parts.username, "PASSWORD": parts.password}
        self.environment = {
            "PATH": os.environ["PATH"],
            "PGDATABASE": parts.path.strip("/") or "postgres",
            **{f"PG{key}": urllib.parse.unquote(str(value)) for key, value in told.items() if value},
        }
        self.execute(f"CREATE DATABASE {self.name}")
        self.url = urllib.parse.urlunsplit(parts._replace(path=f"/{self.name}"))

    def execute(self, statement):
        command = ["psql", "--no-psqlrc", "--quiet", "--command", statement]
        subprocess.run(command, env=self.environment, check=True, timeout=60)

    def drop(self):
        self.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


class Server:
    """A server of its own in a folder that goes with it."""

    def __init__(self, database):
        self.database = database
        self.scratch = tempfile.TemporaryDirectory(prefix="keywright-fuzz.")
        self.folder = Path(self.scratch.name)
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database.url if database else f"sqlite://{self.folder}/keywright.db",
            "KEYWRIGHT_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
            "KEYWRIGHT_JOURNAL__DIR": str(self.folder / "journal"),
            "KEYWRIGHT_JOURNAL__ALLOW_EPHEMERAL": "true",
            "KEYWRIGHT_MAIL__FOLDER": str(self.folder / "mail"),
            "KEYWRIGHT_SERVER__PUBLIC_URL": "https://auth.invalid",
            # Nobody elsewhere is asked anything.
            "KEYWRIGHT_LEAKS__GITHUB_KEYS_URL": "",
            "KEYWRIGHT_LOG__FORMAT": "json",
        }
        (self.folder / "mail").mkdir()
        self.log = self.folder / "log"
        command = [PROGRAM, "serve", "--dev", "--listen", "127.0.0.1:0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, text=True,
            )
        greeting = ""
        while not (said := re.search(r"POST (http://[0-9.:]+)/.*Bearer (sk_[0-9a-f]{64})", greeting)):
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(self.log.read_text())
            greeting += line
        self.url, self.first = said.groups()

    def call(self, method, path, body=None, token=None):
        """What it answers; a refusal ends the run."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token or self.first}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"{method} {path}: {refused.code} {refused.read().decode()}") from None

    def command(self, *arguments, reading=""):
        """A command of the local operator."""
        done = subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=self.environment, input=reading, capture_output=True,
            text=True, timeout=60,
        )
        if done.returncode:
            raise SystemExit(f"{arguments}: {done.stderr}")
        return done.stdout

    def stop(self):
        """Ends it in order; the faults that it has logged."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        faults = [line for line in self.log.read_text().splitlines() if '"level":"ERROR"' in line or "panicked" in line]
        self.scratch.cleanup()
        if self.database:
            self.database.drop()
        return faults


class Publisher:
    """A tenant with a few objects of each kind."""

    def __init__(self, server, name, count):
        self.server, self.name = server, name
        make = server.call
        self.id = make("POST", "/publishers", {"name": name})["id"]
        self.objects = {kind: [] for kind in ("accounts", "tokens", "roles", "users", "channels", "subscriptions", "windows", "policies")}
        for number in range(count):
            label = f"{name} {number}"
            account = make("POST", "/service-accounts", {
                "name": label, "service_type": "partner", "scopes": ["works:read"], "publisher_id": self.id,
            })["id"]
            token = make("POST", f"/service-accounts/{account}/tokens", {"token_name": label})["id"]
            role = self.role(f"role {number}", ["users:read", "personal_tokens:write"])
            user = make("POST", "/users", {
                "email": f"{label.replace(' ', '.').lower()}@example.com", "publisher_id": self.id, "role": role,
            })["id"]
            channel = {"name": label, "kind": "log", "publisher_id": self.id}
            subscription = {"name": label, "url": "https://hooks.invalid/", "event_types": ["*"], "publisher_id": self.id}
            window = {"name": label, "cron": "0 2 * * *", "duration_minutes": 60, "publisher_id": self.id}
            policy = {"service_account_id": account, "max_age_days": 90}
            for kind, made in (
                ("accounts", account), ("tokens", token), ("roles", role), ("users", user),
                ("channels", make("POST", "/notification-channels", channel)["id"]),
                ("subscriptions", make("POST", "/event-subscriptions", subscription)["id"]),
                ("windows", make("POST", "/maintenance-windows", window)["id"]),
                ("policies", make("POST", "/rotation-policies", policy)["id"]),
            ):
                self.objects[kind].append(made)

    def role(self, name, permissions):
        headers = {"Authorization": f"Bearer {self.server.first}", "Content-Type": "application/json", "X-Publisher-Id": self.id}
        body = json.dumps({"name": name, "permissions": permissions}).encode()
        request = urllib.request.Request(f"{self.server.url}/api/v1/roles", body, headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)["id"]

    def ids(self):
        return [self.id, *(made for all_made in self.objects.values() for made in all_made)]

    def known(self):
        """By the beginning of a path, which objects its parameters can name; the first that fits counts."""
        of = self.objects
        return [
            ["/api/v1/service-accounts/", {"id": of["accounts"], "token_id": of["tokens"]}],
            ["/api/v1/publishers/", {"id": [self.id], "user_id": of["users"]}],
            ["/api/v1/roles/", {"id": of["roles"]}],
            ["/api/v1/users/me/", {}],
            ["/api/v1/users/", {"id": of["users"]}],
            ["/api/v1/notification-channels/", {"id": of["channels"]}],
            ["/api/v1/event-subscriptions/", {"id": of["subscriptions"]}],
            ["/api/v1/maintenance-windows/", {"id": of["windows"]}],
            ["/api/v1/rotation-policies/", {"id": of["policies"]}],
            ["/api/v1/auth/tokens/", {"id": of["tokens"]}],
        ]


def administrator(server, ours, theirs):
    """Who may do everything, and finds the objects of both."""
    made = server.call("POST", "/auth/tokens", {"token_name": "administrator", "permissions": ["*"]})
    return made["token"], [made["id"]], ours.known(), []


def under_scoped(server, ours, theirs):
    """Who may do nothing that Keywright itself knows."""
    made = server.call("POST", "/auth/tokens", {"token_name": "under-scoped", "permissions": ["works:read"]})
    return made["token"], [made["id"]], ours.known(), []


def stranger(server, ours, theirs):
    """An account that may do everything within its publisher, and asks for the objects of another."""
    scopes = [
        "service_accounts:admin", "users:admin", "monitoring:admin", "audit:read", "publishers:admin", "tokens:admin",
        "tokens:read", "tokens:verify", "emergency:revoke", "audit_log", "leaks:report",
    ]
    account = server.call("POST", "/service-accounts", {
        "name": "stranger", "service_type": "internal", "scopes": scopes, "publisher_id": theirs.id,
    })["id"]
    made = server.call("POST", f"/service-accounts/{account}/tokens", {"token_name": "stranger", "permissions": scopes})
    return made["token"], [made["id"], account, theirs.id], ours.known(), ours.ids()


def member(server, ours, theirs):
    """A person who administers another publisher, logged in."""
    email = "stranger@example.com"
    server.command(
        "user", "create", "--email", email, "--publisher", theirs.id, "--role", "publisher_admin", reading=f"{PASSWORD}\n"
    )
    session = server.call("POST", "/auth/login", {"email": email, "password": PASSWORD, "publisher_id": theirs.id})
    return session["access_token"], [session["session_id"], theirs.id], ours.known(), ours.ids()


CALLERS = {one.__name__: one for one in (administrator, under_scoped, stranger, member)}


def configuration(name, arguments):
    """The file that schemathesis is configured by. One caller goes through every corner of every schema, the others through
    what is drawn."""
    whole = arguments.long or name == administrator.__name__
    quiet = ", ".join(f'"{name}"' for name in EXCLUDED)
    lines = [
        f"seed = {arguments.seed}",
        f'hooks = "{HERE / "hooks.py"}"',
        "continue-on-failure = true",
        "request-timeout = 30.0",
        "max-redirects = 0",
        "workers = 1",
        'suppress-health-check = ["all"]',
        'headers = { Authorization = "Bearer ${KEYWRIGHT_FUZZ_TOKEN}" }',
        "[generation]",
        f"max-examples = {arguments.examples}",
        "deterministic = false" if arguments.long else "deterministic = true",
        'database = "none"',
        "[phases.coverage]",
        f"enabled = {'true' if whole else 'false'}",
        "unexpected-methods = []",
        "[phases.stateful]",
        f"enabled = {'true' if arguments.long else 'false'}",
        # Any refusal will do: which of several faults is told first is nobody's contract.
        "[checks]",
        'negative_data_rejection.expected-statuses = ["4XX"]',
        *(f"{check}.enabled = false" for check in UNCHECKED),
        "[[operations]]",
        f"include-operation-id = [{quiet}]",
        "enabled = false",
        *(f'[[operations]]\ninclude-operation-id = "{id}"\n[operations.checks]\n{check}.enabled = false' for id, check in UNFIT),
    ]
    return "\n".join(lines) + "\n"


def run(name, arguments):
    """Runs one caller; whether all was well."""
    server = Server(Database(arguments.postgres, name) if arguments.postgres else None)
    ours, theirs = Publisher(server, "Ours", 6), Publisher(server, "Theirs", 1)
    token, own, objects, foreign = CALLERS[name](server, ours, theirs)
    config = server.folder / "schemathesis.toml"
    config.write_text(configuration(name, arguments))
    environment = {
        **os.environ,
        "KEYWRIGHT_FUZZ_TOKEN": token,
        "KEYWRIGHT_FUZZ_OBJECTS": json.dumps(objects),
        "KEYWRIGHT_FUZZ_OWN": json.dumps(own),
        "KEYWRIGHT_FUZZ_FOREIGN": json.dumps(foreign),
        "KEYWRIGHT_FUZZ_CARRIED_OUT": str(server.folder / "carried-out"),
        "NO_PROXY": "127.0.0.1",
    }
    began = time.monotonic()
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", config, "run",
        f"{server.url}/api/v1/openapi.json", "--url", server.url, "--no-color", "--warnings", "off",
    ]
    done = subprocess.run(command, cwd=server.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if arguments.verbose or done.returncode:
        print(done.stdout)
    # Nothing that was sent may have ended the caller: what came after would have been tried as nobody.
    server.call("GET", "/auth/me", token=token)
    carried_out = (server.folder / "carried-out").read_text().splitlines()
    faults = server.stop()
    total = re.search(r"(\d+) generated", done.stdout)
    if name == administrator.__name__ and len(carried_out) < LEAST_CARRIED_OUT:
        faults.append(f"too few operations were carried out: {carried_out}")
    print("\n".join(faults[:20]))
    print(
        f"{name}: {'FAILED' if done.returncode or faults else 'ok'}, {total[1] if total else 'no'} requests, "
        f"{len(carried_out)} operations carried out, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return not (done.returncode or faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("callers", nargs="*", metavar="CALLER", help=f"of {', '.join(CALLERS)}; all when left out")
    parser.add_argument("--examples", type=int, default=3, help="requests of each kind for each operation")
    parser.add_argument("--seed", type=int, default=SEED, help="another gives other requests")
    parser.add_argument("--long", action="store_true", help="also sequences of requests, and others each time")
    parser.add_argument("--postgres", metavar="URL", help="a superuser's, of a PostgreSQL server: each caller gets a database there, in place of SQLite")
    parser.add_argument("--verbose", action="store_true", help="print what schemathesis prints, also when all is well")
    arguments = parser.parse_args()
    for name in arguments.callers:
        if name not in CALLERS:
            parser.error(f"there is no caller {name}")
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    known = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert EXCLUDED.keys() <= known, EXCLUDED.keys() - known
    assert len(EXCLUDED) <= MOST_EXCLUDED, "the list of exceptions may only shrink"
    # Each has a server of its own.
    with ThreadPoolExecutor(max_workers=2) as pool:
        went_well = pool.map(lambda name: run(name, arguments), arguments.callers or CALLERS)
        return 0 if all(list(went_well)) else 1


if __name__ == "__main__":
    sys.exit(main())
