"""Between Python and JSON. What a newer server says more is left aside; what it leaves out is not guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timezone
from functools import cache
from typing import Any, Callable, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from .types import Decision, Denial, ValidDecision

T = TypeVar("T")
Reader = Callable[[Any], Any]
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class UnreadableError(ValueError):
    """What arrived does not have the form that the API promises. Says what was expected, never what came."""


def write(body: Mapping[str, Any]) -> bytes:
    """A body as JSON."""
    return json.dumps(body, default=_plain, allow_nan=False).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return written(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def written(moment: datetime) -> str:
    """A moment as the API has it. One that does not say its zone is refused, as it could be any."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a zone, as in datetime.now(timezone.utc)")
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def read_moment(text: object) -> datetime:
    """A moment of the API."""
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise UnreadableError("a moment")
    seconds, fraction = match.groups(default="")
    micros = int(fraction[:6].ljust(6, "0"))
    return datetime.fromisoformat(seconds).replace(microsecond=micros, tzinfo=timezone.utc)


def read_decision(value: Any) -> Decision:
    """A decision; only one that says that it is valid, in every respect, is a `ValidDecision`."""
    valid = value.get("valid") if isinstance(value, dict) else None
    return reader(ValidDecision)(value) if valid is True else reader(Denial)(value)


def reader(kind: type[T]) -> Callable[[Any], T]:
    """What reads a type from parsed JSON, and raises `UnreadableError` for anything else."""
    found: Any = kind
    return _reader(found)


@cache
def _reader(kind: Any) -> Reader:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: value
    if kind is datetime:
        return read_moment
    if is_dataclass(kind):
        return _object(kind)
    if origin is tuple:
        return _array(_reader(parts[0]))
    if origin is Union:
        [inner] = [part for part in parts if part is not type(None)]
        return _optional(_reader(inner))
    if origin is Literal:
        # One word is what tells types apart; of several there may be more by now.
        word: Any = type(parts[0])
        return _same(parts[0]) if len(parts) == 1 else _reader(word)
    return _exactly(dict if origin is not None else kind)


def _object(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    members = [(own.name, _reader(hints[own.name]), own.default is MISSING) for own in fields(kind)]

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise UnreadableError(kind.__name__)
        found = {}
        for name, read_member, needed in members:
            if name in value:
                found[name] = read_member(value[name])
            elif needed:
                raise UnreadableError(f"{kind.__name__}.{name}")
        return kind(**found)

    return read


def _array(read_item: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise UnreadableError("a list")
        return tuple(read_item(item) for item in value)

    return read


def _optional(read_inner: Reader) -> Reader:
    return lambda value: None if value is None else read_inner(value)


def _same(word: object) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not type(word) or value != word:
            raise UnreadableError(repr(word))
        return value

    return read


def _exactly(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise UnreadableError(kind.__name__)
        return value

    return read
