"""Client of Keywright, the credential authority for APIs."""

from ._async import AsyncKeywright
from ._sync import Keywright
from ._version import __version__
from .errors import InvalidAnswerError, KeywrightError, NoAnswerError, ProblemError
from .middleware import KeywrightMiddleware, authorize
from .types import Decision, Denial, Principal, ValidDecision

__all__ = [
    "AsyncKeywright",
    "Decision",
    "Denial",
    "InvalidAnswerError",
    "Keywright",
    "KeywrightError",
    "KeywrightMiddleware",
    "NoAnswerError",
    "Principal",
    "ProblemError",
    "ValidDecision",
    "__version__",
    "authorize",
]
