"""A model that is trained by a loop of one's own: what it says, collected and imported as one job."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import shutil
import tempfile
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._error import Error
from ._traces import Traces

if TYPE_CHECKING:
    from ._study import Study

#: Columns of a training log, as the table `epochs` has them.
LOGGED = ("step", "train_loss", "member_loss", "held_out_loss", "gradient_norm", "clipped_fraction", "traces", "seconds")


class Model:
    """Files of one model, in a temporary folder until the block ends. An exception in the block leaves no trace."""

    #: The traces of its split: `members` to train on, `held_out` to be asked about as well.
    traces: Traces

    def __init__(self, study: Study, traces: Traces, entries: dict[str, Any]) -> None:
        self._study, self.traces, self._entries = study, traces, entries
        self._rows: list[dict[str, Any]] = []
        self._attributes: list[dict[str, Any]] = []
        self._synthetic: list[str] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Model:
        self._folder = tempfile.TemporaryDirectory(prefix="syntrace-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write()
                self._study._import(self._place("import.toml"))
        finally:
            if self._folder is not None:
                self._folder.cleanup()
            self._folder = None

    def log(self, *, epoch: int | None = None, **values: float) -> None:
        """One line of the training log: `step`, `train_loss`, `held_out_loss`, ... (table `epochs`)."""
        unknown = sorted(set(values) - set(LOGGED))
        if unknown:
            raise Error(f"a training log has no column `{unknown[0]}`", f"it has: epoch, {', '.join(LOGGED)}")
        self._rows.append({"epoch": len(self._rows) if epoch is None else epoch, **values})

    def attributes(self, kind: str, values: Any, *, loss: Any = None, zero: bool = True) -> None:
        """What the model says of each trace of `traces`, in their order: `[traces, ...]` numbers, and a loss each.

        `zero=False` says that 0 means nothing in them, as in a critic's scores.
        """
        entry: dict[str, Any] = {"file": self._array(kind, values), "kind": kind, "zero": zero}
        if loss is not None:
            entry["loss"] = self._array(f"{kind}-loss", loss)
        self._attributes.append(entry)

    def synthetic(self, path: str | os.PathLike[str]) -> None:
        """A capture that the model generated: PCAP or PCAPNG. It is copied now."""
        self._synthetic.append(self._copy(path, f"synthetic-{len(self._synthetic)}"))

    def weights(self, path: str | os.PathLike[str]) -> None:
        """The model's weights in any format, kept as they are. The file is copied now."""
        self._entries["weights"] = self._copy(path, "weights")

    def _place(self, name: str) -> pathlib.Path:
        if self._folder is None:
            raise Error("expected a model inside its block, found one outside", "write `with study.model(...) as model:`")
        return pathlib.Path(self._folder.name) / name

    def _copy(self, path: str | os.PathLike[str], stem: str) -> str:
        source = pathlib.Path(path)
        place = self._place(stem + source.suffix)
        try:
            shutil.copyfile(source, place)
        except OSError as error:
            raise Error(f"cannot read `{source}`: {error.strerror}", "check the path") from error
        return place.name

    def _array(self, stem: str, values: Any) -> str:
        import numpy as np

        array = np.asarray(values)
        if array.ndim == 0 or len(array) != len(self.traces):
            found = "one number" if array.ndim == 0 else f"{len(array)}"
            raise Error(
                f"`{stem}`: expected a row for each of the {len(self.traces)} traces of the split, found {found}",
                "rows stand in the order of `model.traces.ids`",
            )
        place = self._place(f"{len(self._attributes)}-{stem.replace('/', '_')}.npy")
        np.save(place, array, allow_pickle=False)
        return place.name

    def _write(self) -> None:
        with open(self._place("members.csv"), "w", newline="") as file:
            members = set(self.traces.members.tolist())
            listed = [(id, int(id in members)) for id in self.traces.ids.tolist()]
            csv.writer(file).writerows([("trace", "member"), *listed])
        entries = {**self._entries, "members": "members.csv", "attributes": self._attributes, "synthetic": self._synthetic}
        if self._rows:
            with open(self._place("log.csv"), "w", newline="") as file:
                writer = csv.DictWriter(file, ["epoch", *LOGGED])
                writer.writeheader()
                writer.writerows(self._rows)
            entries["log"] = "log.csv"
        lines = [f"{name} = {_toml(value)}" for name, value in entries.items() if value is not None]
        self._place("import.toml").write_text("\n".join(["[[model]]", *lines, ""]), encoding="utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Text, numbers and flags are written as in JSON.
    return json.dumps(value, ensure_ascii=False)
