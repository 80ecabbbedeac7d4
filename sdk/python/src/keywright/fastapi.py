"""Dependencies for FastAPI. They need `KeywrightMiddleware` before the application."""

# No postponed annotations here: FastAPI reads those of `__call__`.

from collections.abc import Sequence
from typing import Any, Callable

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from ._scope import checked
from .middleware import authorize
from .types import ValidDecision

__all__ = ["require"]


def require(*scopes: str, any_of: Sequence[str] = ()) -> Callable[..., Any]:
    """A dependency that a credential with all `scopes` fulfils, and with one of `any_of` where there are any.

    It gives the `ValidDecision`. Without arguments it asks for a valid credential alone.
    """
    if isinstance(any_of, str):
        raise TypeError("any_of is a sequence of str")
    return _Required(tuple(map(checked, scopes)), tuple(map(checked, any_of)))


class _Required(SecurityBase):
    def __init__(self, scopes: Sequence[str], any_of: Sequence[str]) -> None:
        self.model = HTTPBearer(description="A credential of Keywright")
        self.scheme_name = "Keywright"
        self._scopes, self._any_of = scopes, any_of

    async def __call__(self, connection: HTTPConnection) -> ValidDecision:
        return await authorize(connection.scope, *self._scopes, any_of=self._any_of)
