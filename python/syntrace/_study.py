"""A study: what the compiled class has, and its traces as arrays."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from . import _syntrace
from ._answer import Answer
from ._error import Error
from ._model import Model
from ._traces import Traces, read_traces


class Study(_syntrace.Study):
    """A study, opened for reading. Each question sees the newest finished job; a run may write meanwhile."""

    def sql(self, text: str, /, **given: _syntrace.Value) -> Answer:
        """Asks one statement of SQL. Keyword arguments are its parameters: `e=4.0` is `$e`, `class_="mac"` is `$class`.

        >>> study.sql("SELECT role, shadow FROM models WHERE generator = $g ORDER BY shadow", g="mygan").rows()
        [('shadow', 0), ('shadow', 1), ('target', None)]
        """
        return Answer(self, text, given)

    def query(self, name: str, /, **given: _syntrace.Value) -> Answer:
        """Asks a named query (`queries` lists them). Parameters that are not given have their defaults.

        >>> study.query("headline").columns[:3]
        ['generator', 'regime', 'guarantee']
        """
        return Answer(self, name, given, named=True)

    def traces(self, dataset: str, class_: str, *, split: str | int | None = None) -> Traces:
        """The real traces of a class as numpy arrays.

        With a split, those of the split alone: `"target"`, `"shadow0"`, or the id of one (table `splits`).
        """
        return read_traces(self, dataset, class_, split)

    def model(
        self,
        *,
        generator: str,
        dataset: str,
        class_: str,
        role: str = "target",
        split: str | int | None = None,
        epsilon: float | None = None,
        delta: float | None = None,
        claim: dict[str, str] | None = None,
        note: str | None = None,
    ) -> Model:
        """A model that the block of a `with` trains: `model.traces` are those of its split, what it says is imported.

        `role` is `"target"` or `"shadow0"`, ...; its split is that of the role unless `split` names one. An epsilon is
        a claim and needs its terms: `delta`, and `claim` with `by`, `unit`, `neighbours` and `guarantee`.
        """
        shadow = role.removeprefix("shadow")
        if role != "target" and not (role.startswith("shadow") and shadow.isdecimal()):
            raise Error(f"expected a role `target` or `shadow0`, found `{role}`", "shadows are numbered from 0")
        traces = self.traces(dataset, class_, split=role if split is None else split)
        entries: dict[str, Any] = {"generator": generator, "dataset": dataset, "class": class_}
        entries |= {"epsilon": epsilon, "delta": delta, "claim": claim, "note": note}
        return Model(self, traces, entries if role == "target" else {**entries, "shadow": int(shadow)})

    def evaluate(self, generator: str, *, attacks: list[str] | None = None) -> Answer:
        """Attacks and measures the imported models of a generator; gives their rows of `privacy_audit`.

        Attacks train networks, so this runs the program `syntrace`: the one that SYNTRACE_PROGRAM names, or that of
        PATH. What was done is not done again.
        """
        program = os.environ.get("SYNTRACE_PROGRAM", "syntrace")
        command = [program, "import", os.fspath(self.path), "--evaluate-only", f"--generator={generator}"]
        command += [f"--attack={attack}" for attack in attacks or []]
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        except OSError as error:
            hint = "install it (`make install`), or name it: SYNTRACE_PROGRAM=/path/to/syntrace"
            raise Error(f"cannot start the program `{program}`: {error.strerror}", hint) from error
        if ended.returncode != 0:
            said = ended.stderr.strip().split("error: ")[-1].split("\nhint: ")
            raise Error(said[0], said[1] if len(said) > 1 else None, "internal" if ended.returncode == 3 else "user")
        return self.sql("SELECT * FROM privacy_audit WHERE generator = $generator", generator=generator)


def open(path: str | os.PathLike[str], *, memory_mib: int = 1024, threads: int | None = None) -> Study:
    """Opens a study for reading.

    A query may hold `memory_mib` before it spills to disk, and uses `threads` (all cores unless given).
    """
    return Study(path, memory_mib=memory_mib, threads=threads)
