"""Scopes: one grammar, one comparison, those of the API."""

from __future__ import annotations

import re
from typing import Optional

_GRAMMAR = re.compile(r"\*|[a-z0-9_-]+(:[a-z0-9_-]+)*(:\*)?")


def checked(scope: str) -> str:
    """A scope as it is; `ValueError` for what is none."""
    if len(scope) > 100 or not _GRAMMAR.fullmatch(scope):
        raise ValueError(f"{scope!r} is no scope: segments of a-z, 0-9, _ and - with : between them")
    return scope


def _stem(scope: str) -> Optional[str]:
    """What everything covered begins with, where it reaches beyond itself."""
    if scope == "*":
        return ""
    before, colon, last = scope.rpartition(":")
    return before + colon if colon and last in ("*", "admin") else None


def covers(held: str, wanted: str) -> bool:
    """Whether holding one scope grants another."""
    stem, wanted_stem = _stem(held), _stem(wanted)
    if held == wanted or stem is None:
        return held == wanted
    return (wanted if wanted_stem is None else wanted_stem).startswith(stem)
