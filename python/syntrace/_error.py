"""The one exception of the package."""

from __future__ import annotations


class Error(Exception):
    """What was expected, what was found, and what to do.

    >>> str(Error("there is no table `model`", "did you mean `models`?"))
    'there is no table `model`\\nhint: did you mean `models`?'
    """

    message: str
    hint: str | None
    #: Who has to act: `user` (the input or the environment) or `internal` (a fault of the program, or damage).
    code: str

    def __init__(self, message: str, hint: str | None = None, code: str = "user") -> None:
        super().__init__(message, hint, code)
        self.message, self.hint, self.code = message, hint, code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"
