"""The rows of a statement."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Callable

from . import _syntrace
from ._error import Error

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Answer(_syntrace.Answer):
    """The rows of a statement. They are computed while they are read, and read once.

    Whatever takes an Arrow stream takes an answer. Showing it reads no more than its first rows, which are read again
    later.

    >>> study.sql("SELECT value AS n FROM generate_series(1, 3)").rows()
    [(1,), (2,), (3,)]
    """

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a `pyarrow.Table`."""
        return self._read_by("pyarrow", lambda pyarrow: pyarrow.table(self))

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a `pandas.DataFrame`, by pyarrow."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """All rows as a `polars.DataFrame`."""
        return self._read_by("polars", lambda polars: polars.DataFrame(self))

    def _read_by(self, name: str, read: Callable[[Any], Any]) -> Any:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            hint = f"`pip install {name}`, or read the answer by `rows()`"
            raise Error(f"expected the module `{name}`, found none: {error}", hint) from error
        try:
            return read(module)
        except Exception:
            self._raise_failure()
            raise
