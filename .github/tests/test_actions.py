"""Runs the steps of action.yml and of the example workflow as a runner would, against the real server.

Every `run` of both files is executed by the shell that GitHub uses, with the files and variables that a runner gives.
KEYWRIGHT_TEST_PROGRAM names the server's binary; without it, it is target/debug/keywright.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("KEYWRIGHT_TEST_PROGRAM") or ROOT / "target/debug/keywright").resolve()
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/auth-service-token-example.yml").read_text())

# Each command that a step may start; a new one has to be added, so that its arguments are looked at too.
COMMANDS = ["curl", "jq", "mktemp", "od", "rm", "tee", "tr"]


class Server:
    """A server of its own on SQLite, in a folder that goes with it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="keywright-actions.")
        with (Path(self.folder.name) / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--dev", "--set", "server.listen=127.0.0.1:0"],
                cwd=self.folder.name,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.url = self.first = None
        for line in self.process.stdout:
            if match := re.search(r"\bsk_[0-9a-f]{64}\b", line):
                self.first = match[0]
            if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = match[0]
                return
        raise RuntimeError((Path(self.folder.name) / "log").read_text())

    def call(self, method, path, body=None):
        """What it answers to the first token."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.first}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def token(self, name, permissions, **more):
        return self.call("POST", "/auth/tokens", {"token_name": name, "permissions": permissions, **more})

    def events(self, kind):
        return self.call("GET", f"/audit/security-events?type={kind}")["items"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        self.process.stdout.close()
        self.folder.cleanup()


class Losing(ThreadingHTTPServer):
    """Stands before the server and loses the first answer to each path: the client is told 503."""

    def __init__(self, server):
        self.behind, self.lost = server.url, []
        super().__init__(("127.0.0.1", 0), Losing.Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = urllib.request.Request(self.server.behind + self.path, body, dict(self.headers))
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                status, text = answer.status, answer.read()
            if self.path not in self.server.lost:
                self.server.lost.append(self.path)
                status, text = 503, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass


def expression(text, contexts):
    """The value of an expression, of the kinds that the two files use."""

    def look_up(match):
        value = contexts
        for part in match[0].split("."):
            value = value.get(part, {}) if isinstance(value, dict) else {}
        return repr("" if value == {} else value)

    quoted = re.split(r"('[^']*')", text)
    for index in range(0, len(quoted), 2):
        part = quoted[index].replace("&&", " and ").replace("||", " or ")
        part = re.sub(r"\b(always|failure)\(\)", lambda m: repr(contexts["functions"][m[1]]), part)
        quoted[index] = re.sub(r"\b[a-z]+(\.[A-Za-z_][\w-]*)+", look_up, part)
    return eval("".join(quoted), {"__builtins__": {}})  # noqa: S307 our own files


def filled(text, contexts):
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: str(expression(m[1].strip(), contexts)), str(text))


class Runner:
    """As much of GitHub's runner as the files need."""

    def __init__(self, **variables):
        self.folder = Path(tempfile.mkdtemp(prefix="keywright-runner."))
        self.seen = self.folder / "seen"
        self.commands = self.folder / "bin"
        self.commands.mkdir()
        for name in COMMANDS:
            shim = self.commands / name
            shim.write_text(
                f'#!/bin/bash\n{{ printf "%s\\n" "$0" "$@"; /usr/bin/env; }} >>"{self.seen}"\nexec {shutil.which(name)} "$@"\n'
            )
            shim.chmod(0o755)
        self.variables = variables
        self.log = ""
        self.summary = self.folder / "summary"
        self.executed = []

    def run(self, step, environment, contexts):
        """One `run` step: whether it succeeded, and its outputs."""
        shell = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}.get(step.get("shell"), ["bash", "-e"])
        assert "${{" not in step["run"], "a value would be executed as a part of the script"
        self.executed.append(step["run"])
        script, output = self.folder / "script.sh", self.folder / "output"
        script.write_text(step["run"])
        output.write_text("")
        given = {name: filled(value, contexts) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            [shutil.which("bash"), *shell[1:], script],
            cwd=self.folder,
            env={
                "PATH": str(self.commands),
                "RUNNER_TEMP": str(self.folder),
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_ENV": str(self.folder / "env"),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GITHUB_REPOSITORY": "songtrust/catalog",
                "GITHUB_WORKFLOW": "Deploy",
                "GITHUB_RUN_ID": "42",
                "GITHUB_RUN_ATTEMPT": "1",
                "GITHUB_JOB": "deploy",
                "GITHUB_SHA": "1f00" * 10,
                "NO_PROXY": "127.0.0.1",
                **environment,
                **given,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self.log += done.stdout
        return done.returncode == 0, dict(line.split("=", 1) for line in output.read_text().splitlines())

    def steps(self, steps, environment, contexts):
        """Steps one after another: whether all succeeded, and what each left."""
        left = contexts["steps"] = {}
        contexts["functions"] = {"always": True, "failure": False}
        contexts["job"] = {"status": "success"}
        for step in steps:
            failed = contexts["functions"]["failure"]
            wanted = step.get("if")
            asks = wanted and re.search(r"\b(always|failure)\(\)", wanted)
            if (failed and not asks) or (wanted and not expression(wanted, contexts)):
                outcome, outputs = "skipped", {}
            elif step.get("uses", "").startswith("actions/checkout@"):
                outcome, outputs = "success", {}
            elif step.get("uses") == "./":
                inputs = {name: filled(value, contexts) for name, value in step.get("with", {}).items()}
                good, outputs = self.action(inputs, environment)
                outcome = "success" if good else "failure"
            else:
                good, outputs = self.run(step, environment, contexts)
                outcome = "success" if good else "failure"
            if outcome == "failure":
                contexts["functions"]["failure"] = True
                contexts["job"]["status"] = "failure"
            if "id" in step:
                left[step["id"]] = {"outcome": outcome, "outputs": outputs}
        return not contexts["functions"]["failure"]

    def action(self, inputs, environment=None):
        """The composite action: whether it succeeded, and its outputs."""
        unknown = set(inputs) - set(ACTION["inputs"])
        assert not unknown, unknown
        defaults = {name: declared.get("default", "") for name, declared in ACTION["inputs"].items()}
        contexts = {"inputs": {**defaults, **inputs}}
        good = self.steps(ACTION["runs"]["steps"], environment or self.variables, contexts)
        outputs = {name: filled(declared["value"], contexts) for name, declared in ACTION["outputs"].items()}
        return good, outputs

    def workflow(self, secrets, variables, environment):
        """The job of the example workflow."""
        job = WORKFLOW["jobs"]["deploy"]
        contexts = {"secrets": secrets, "vars": variables, "inputs": {"environment": environment}}
        variables = {name: filled(value, contexts) for name, value in job["env"].items()}
        return self.steps(job["steps"], variables, contexts)

    def everything(self):
        """All that others may see: the log, what commands were given, and what was left behind."""
        texts = [self.log]
        for path in self.folder.rglob("*"):
            if path.is_file():
                texts.append(path.read_text(errors="replace"))
        return "\n".join(texts)

    def close(self):
        shutil.rmtree(self.folder)


class Actions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def runner(self, **variables):
        runner = Runner(**variables)
        self.addCleanup(runner.close)
        return runner

    def never_seen(self, runner, *secrets):
        everything = runner.everything()
        for secret in secrets:
            self.assertNotIn(secret, everything)
            self.assertNotIn(secret[3:], everything)

    def test_a_good_token_gives_its_outputs_and_is_nowhere_to_be_seen(self):
        made = self.server.token("ci deploy | `x`", ["works:*", "api_read"], expires_in_days=90)
        runner = self.runner()
        good, outputs = runner.action(
            {"token": f" {made['token']}\n", "url": f"{self.server.url}/api/v1/", "required-scopes": "works:read, api_read"}
        )
        self.assertTrue(good, runner.log)
        self.assertEqual(outputs["token-name"], "ci deploy | `x`")
        self.assertEqual(outputs["credential-id"], made["id"])
        self.assertEqual(set(outputs["scopes"].split()), {"works:*", "api_read"})
        self.assertEqual(outputs["expires-at"], made["expires_at"])
        self.assertEqual(outputs["event-id"], "")
        self.assertIn("| `ci deploy    x ` |", runner.summary.read_text())
        self.assertNotIn("::warning", runner.log)
        self.never_seen(runner, made["token"])

    def test_the_names_of_the_environment_are_read_ours_first(self):
        made = self.server.token("from the environment", ["api_read"])
        for variables in [
            {"KEYWRIGHT_TOKEN": made["token"], "KEYWRIGHT_URL": self.server.url, "PROMPTCRAFT_SERVICE_TOKEN": "other"},
            {"PROMPTCRAFT_SERVICE_TOKEN": made["token"], "PROMPTCRAFT_API_URL": self.server.url},
        ]:
            runner = self.runner(**variables)
            good, outputs = runner.action({"required-scopes": "api_read"})
            self.assertTrue(good, runner.log)
            self.assertEqual(outputs["credential-id"], made["id"])
            self.never_seen(runner, made["token"])

    def test_a_malformed_token_is_told_without_asking_and_without_showing_it(self):
        good = self.server.token("good one", [])["token"]
        for wrong in [good[:-1], good + "0", good.upper(), "sk_", "pat_" + good[3:], f"{good}\n{good}", f'{good}"\nurl = "x']:
            runner = self.runner()
            passed, _ = runner.action({"token": wrong, "url": self.server.url})
            self.assertFalse(passed)
            self.assertIn("::error title=Keywright%3A malformed token::", runner.log)
            self.assertIn(f"has {len(wrong.strip())} characters", runner.log)
            self.assertNotIn("curl", runner.seen.read_text())
            self.never_seen(runner, good)

    def test_what_is_missing_is_named(self):
        made = self.server.token("complete", [])
        for inputs, told in [
            ({"url": self.server.url}, "no token"),
            ({"token": made["token"]}, "no address"),
            ({"token": made["token"], "url": "auth.example.com"}, "bad address"),
            ({"token": made["token"], "url": "https://user:pass@auth.example.com"}, "bad address"),
            ({"token": made["token"], "url": "--output=/tmp/x"}, "bad address"),
            ({"token": made["token"], "url": self.server.url, "required-scopes": "works:read;rm"}, "bad input"),
            ({"token": made["token"], "url": self.server.url, "required-scopes": "*/"}, "bad input"),
            ({"token": made["token"], "url": self.server.url, "timeout-seconds": "1 -v"}, "bad input"),
            ({"token": made["token"], "url": self.server.url, "warn-days": "x[$(id)]"}, "bad input"),
        ]:
            runner = self.runner()
            passed, _ = runner.action(inputs)
            self.assertFalse(passed, inputs)
            self.assertIn(f"::error title=Keywright%3A {told}::", runner.log)
            self.never_seen(runner, made["token"])

    def test_denials_fail_with_their_code_and_what_to_do(self):
        scoped = self.server.token("scoped", ["works:read"])
        revoked = self.server.token("revoked", ["works:read"])
        self.server.call("DELETE", f"/auth/tokens/{revoked['id']}")
        inactive = self.server.token("inactive", ["works:read"])
        self.server.call("PATCH", f"/auth/tokens/{inactive['id']}", {"is_active": False})
        elsewhere = self.server.token("elsewhere", ["works:read"], ip_allowlist=["192.0.2.0/24"])
        limited = self.server.token("limited", ["works:read"], rate_limits={"per_minute": 1})
        address = {"url": self.server.url, "required-scopes": "works:read"}
        self.assertTrue(self.runner().action({"token": limited["token"], **address})[0])
        for token, scopes, code, hint in [
            (scoped["token"], "works:read works:write", "insufficient_scope", "It lacks works:write."),
            (revoked["token"], "works:read", "revoked", "It was revoked."),
            (inactive["token"], "works:read", "inactive", "switched off"),
            (elsewhere["token"], "works:read", "ip_not_allowed", "allowlist"),
            (limited["token"], "works:read", "rate_limited", "Run the job again later."),
            ("sk_" + "0" * 64, "works:read", "not_found", "another server or environment"),
        ]:
            runner = self.runner()
            passed, outputs = runner.action({"token": token, "url": self.server.url, "required-scopes": scopes})
            self.assertFalse(passed, code)
            self.assertIn(f"::error title=Keywright%3A token denied%3A {code}::", runner.log)
            self.assertIn(hint, runner.log)
            self.assertEqual(outputs["token-name"], "")
            self.never_seen(runner, token)

    def test_a_server_that_is_away_or_no_keywright_fails_the_step(self):
        made = self.server.token("away", [])
        away = Server()
        away.stop()
        runner = self.runner()
        passed, _ = runner.action({"token": made["token"], "url": away.url})
        self.assertFalse(passed)
        self.assertIn("::error title=Keywright%3A no answer::", runner.log)
        self.never_seen(runner, made["token"])

        runner = self.runner()
        passed, _ = runner.action({"token": made["token"], "url": f"{self.server.url}/elsewhere"})
        self.assertFalse(passed)
        self.assertIn("::error title=Keywright%3A unexpected answer::", runner.log)
        self.never_seen(runner, made["token"])

    def test_an_event_is_recorded_with_what_the_run_is(self):
        made = self.server.token("recorder", ["audit_log"])
        runner = self.runner()
        good, outputs = runner.action(
            {"token": made["token"], "url": self.server.url, "event-type": "release", "environment": "staging"}
        )
        self.assertTrue(good, runner.log)
        (event,) = self.server.events("cicd.release")
        self.assertEqual(event["id"], outputs["event-id"])
        told = json.dumps(event)
        for text in ["songtrust/catalog", "Deploy", "42", "1f00" * 10, "staging", "success", "run_attempt"]:
            self.assertIn(text, told)
        self.never_seen(runner, made["token"])

    def test_a_lost_answer_is_asked_for_again_and_records_nothing_twice(self):
        made = self.server.token("patient", ["audit_log"])
        losing = Losing(self.server)
        self.addCleanup(losing.server_close)
        self.addCleanup(losing.shutdown)
        runner = self.runner()
        good, outputs = runner.action({"token": made["token"], "url": losing.url, "event-type": "lost"})
        self.assertTrue(good, runner.log)
        self.assertEqual(losing.lost, ["/api/v1/auth/verify", "/api/v1/audit/cicd-event"])
        self.assertEqual([event["id"] for event in self.server.events("cicd.lost")], [outputs["event-id"]])

    def test_without_audit_log_nothing_is_begun_and_a_bad_event_names_its_field(self):
        made = self.server.token("no recorder", ["works:read"])
        runner = self.runner()
        passed, _ = runner.action({"token": made["token"], "url": self.server.url, "event-type": "build"})
        self.assertFalse(passed)
        self.assertIn("It lacks audit_log.", runner.log)
        self.assertEqual(self.server.events("cicd.build"), [])

        made = self.server.token("bad recorder", ["audit_log"])
        runner = self.runner()
        passed, _ = runner.action({"token": made["token"], "url": self.server.url, "event-type": "Not A Type"})
        self.assertFalse(passed)
        self.assertIn("::error title=Keywright%3A bad event::event_type: ", runner.log)

    def test_an_old_token_and_one_that_ends_soon_are_warned_about(self):
        made = self.server.token("rotated", ["works:read"], expires_in_days=90)
        self.server.call("POST", f"/auth/tokens/{made['id']}/rotate", {"reason": "test", "grace_seconds": 3600})
        runner = self.runner()
        self.assertTrue(runner.action({"token": made["token"], "url": self.server.url})[0], runner.log)
        self.assertIn("::warning title=Keywright%3A the token was rotated::", runner.log)
        ending = self.server.token("ending", ["works:read"], expires_in_days=3)
        runner = self.runner()
        self.assertTrue(runner.action({"token": ending["token"], "url": self.server.url})[0], runner.log)
        self.assertRegex(runner.log, r"::warning title=Keywright%3A the token ends soon::ending ends at .*, in [23] days")

    def test_the_workflow_passes_with_each_environments_own_secrets(self):
        for environment, names in [
            ("staging", ("KEYWRIGHT_TOKEN", "KEYWRIGHT_URL")),
            ("production", ("PROMPTCRAFT_SERVICE_TOKEN", "PROMPTCRAFT_API_URL")),
        ]:
            made = self.server.token(f"pipeline of {environment}", ["system_status", "audit_log"])
            runner = self.runner()
            secrets = {names[0]: made["token"], names[1]: self.server.url}
            self.assertTrue(runner.workflow(secrets, {}, environment), runner.log)
            event = next(e for e in self.server.events("cicd.deployment") if f'"{environment}"' in json.dumps(e))
            self.assertIn('"success"', json.dumps(event))
            self.assertIn("The server is ok", runner.summary.read_text())
            self.never_seen(runner, made["token"])
        steps = WORKFLOW["jobs"]["deploy"]["steps"]
        self.assertEqual(WORKFLOW[True]["workflow_dispatch"]["inputs"]["environment"]["options"][1:], ["staging", "production"])
        self.assertEqual(len([step for step in steps if "run" in step]), 2)

    def test_the_workflow_records_a_failed_deployment_as_one(self):
        made = self.server.token("pipeline that fails", ["system_status", "audit_log"])
        runner = self.runner()
        job = WORKFLOW["jobs"]["deploy"]
        call = next(step for step in job["steps"] if step.get("id") == "call")
        original, call["run"] = call["run"], "exit 1"
        try:
            passed = runner.workflow({"KEYWRIGHT_TOKEN": made["token"]}, {"KEYWRIGHT_URL": self.server.url}, "development")
        finally:
            call["run"] = original
        self.assertFalse(passed)
        event = next(e for e in self.server.events("cicd.deployment") if '"development"' in json.dumps(e))
        self.assertIn('"failure"', json.dumps(event))
        self.assertIn("what was done with it failed", runner.summary.read_text())

    def test_the_workflow_deploys_nothing_with_a_token_that_is_refused(self):
        made = self.server.token("pipeline without rights", ["works:read"])
        runner = self.runner()
        self.assertFalse(runner.workflow({"KEYWRIGHT_TOKEN": made["token"]}, {"KEYWRIGHT_URL": self.server.url}, "staging"))
        self.assertIn("It lacks audit_log, system_status.", runner.log)
        self.assertIn("nothing was deployed", runner.summary.read_text())
        self.assertNotIn("system/status", runner.seen.read_text())
        self.never_seen(runner, made["token"])

    def test_every_step_that_runs_something_was_run_by_these_tests(self):
        made = self.server.token("all steps", ["system_status", "audit_log"])
        runner = self.runner()
        secrets = {"KEYWRIGHT_TOKEN": made["token"], "KEYWRIGHT_URL": self.server.url}
        self.assertTrue(runner.workflow(secrets, {}, "development"), runner.log)
        failing = self.runner()
        self.assertFalse(failing.workflow({}, {}, "development"))
        every = ACTION["runs"]["steps"] + WORKFLOW["jobs"]["deploy"]["steps"]
        executed = runner.executed + failing.executed
        self.assertEqual([step["name"] for step in every if "run" in step and step["run"] not in executed], [])


if __name__ == "__main__":
    unittest.main()
