"""What a call may raise. No message, argument or attribute of these has a secret in it."""

from __future__ import annotations

from typing import Optional

from .types import FieldError, Problem


class KeywrightError(Exception):
    """A call that was not carried out, or of which nobody knows whether it was."""


class ProblemError(KeywrightError):
    """The authority refused, by a problem document (RFC 9457). `code` is what to act upon."""

    def __init__(self, problem: Problem, retry_after_seconds: Optional[int] = None) -> None:
        super().__init__(problem, retry_after_seconds)
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds
        """After how long the same may be tried again, where the answer said so."""

    @property
    def code(self) -> str:
        """The stable code. New ones may be added."""
        return self.problem.code

    @property
    def title(self) -> str:
        """The same in words, alike for every occurrence."""
        return self.problem.title

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.problem.status

    @property
    def detail(self) -> str:
        """What it was in this case."""
        return self.problem.detail

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """Every bad field at once; empty where no field is to blame."""
        return self.problem.errors or ()

    @property
    def request_id(self) -> str:
        """The request, as in the authority's log and events."""
        return self.problem.request_id

    @property
    def denied(self) -> bool:
        """Whether the caller's own credential was denied."""
        return self.problem.type.startswith("urn:keywright:denial:")

    def __str__(self) -> str:
        fields = "".join(f"; {error.field}: {error.detail}" for error in self.errors)
        return f"{self.title} ({self.code}): {self.detail}{fields} [request {self.request_id}]"


class NoAnswerError(KeywrightError):
    """The authority could not be reached, or did not answer in time. A change may have been made or not."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """The kind of fault, such as `ConnectError` or `ReadTimeout`."""

    def __str__(self) -> str:
        return f"no answer from Keywright: {self.reason}"


class InvalidAnswerError(KeywrightError):
    """Something answered that is not a Keywright of this API."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
        """The status of the answer."""

    def __str__(self) -> str:
        return f"the answer, of status {self.status}, is none of Keywright's"
