"""What is written from elsewhere is what would be written now."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from conftest import ROOT

import keywright
from keywright import _refusal, types

HERE = Path(__file__).resolve().parents[1]


def test_types_operations_and_the_sync_client_are_not_stale() -> None:
    done = subprocess.run([sys.executable, HERE / "generate", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_the_workspace() -> None:
    [version] = re.findall(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert keywright.__version__ == version


def test_every_denial_has_the_status_and_the_title_that_the_api_gives_it() -> None:
    source = (ROOT / "crates/api/src/problem_code.rs").read_text()
    titles = dict(re.findall(r'DenialCode::(\w+) => "(.*)",', source))
    words = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): title for name, title in titles.items()}
    assert {code: title for code, (_, title) in _refusal._DENIALS.items()} == words
    assert set(words) == set(get_args(types.DenialCode))
    documented = re.findall(
        r"^\| `(\w+)` \|.*\| (\d{3}) \|$", (ROOT / "docs/verification.md").read_text(), re.MULTILINE
    )
    statuses = {code: int(status) for code, status in documented if code in words}
    assert {code: status for code, (status, _) in _refusal._DENIALS.items()} == statuses
