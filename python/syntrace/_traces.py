"""Traces of a class as numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._error import Error

if TYPE_CHECKING:
    import numpy as np

    from ._study import Study

#: Header fields, as the table `packets` names them.
FIELDS = (
    "direction", "time_us", "src_port", "dst_port", "protocol", "ip_length", "ip_version", "header_length", "tos",
    "identification", "flags", "fragment_offset", "ttl", "checksum", "tcp_flags", "payload_length",
)  # fmt: skip

#: Cells of a packet in nPrint: IPv4 480, TCP 480, UDP 64, ICMP 64.
NPRINT_BITS = 1088


class Traces:
    """Real traces of one class. Arrays have a row for each trace and, where they are of packets, a column for each."""

    #: Ids of the traces, ascending.
    ids: np.ndarray[Any, Any]
    #: Packets of each trace.
    packets: np.ndarray[Any, Any]
    #: Header fields by name, `[traces, packets]`; -1 where there is no packet or no such field.
    fields: dict[str, np.ndarray[Any, Any]]
    #: Was the trace for training? `None` without a split.
    member: np.ndarray[Any, Any] | None

    def __init__(self, study: Study, dataset: str, class_: str, columns: dict[str, Any], parts: Any) -> None:
        import numpy as np

        self._study, self.dataset, self.class_ = study, dataset, class_
        self.ids, row = np.unique(columns["trace_id"], return_inverse=True)
        self.member = None if parts is None else np.array([parts[id] for id in self.ids.tolist()])
        self.packets = np.bincount(row)
        self._place, self._data = (row, columns["position"]), columns["data"]
        self.fields = {name: self._laid_out(columns[name], -1) for name in FIELDS}

    def _laid_out(self, values: Any, absent: int, *more: int) -> Any:
        import numpy as np

        laid_out = np.full((len(self.ids), self.packets.max(), *more), absent, dtype=values.dtype)
        laid_out[self._place] = values
        return laid_out

    @property
    def members(self) -> np.ndarray[Any, Any]:
        """Ids of the traces that the split trains on."""
        return self.ids[self._of_split()]

    @property
    def held_out(self) -> np.ndarray[Any, Any]:
        """Ids of the traces that the split holds out."""
        return self.ids[~self._of_split()]

    def _of_split(self) -> np.ndarray[Any, Any]:
        if self.member is None:
            raise Error("expected traces of a split, found all of a class", 'name a split: `traces(..., split="target")`')
        return self.member

    def bytes(self, length: int | None = None) -> np.ndarray[Any, Any]:
        """The packets as Ethernet frames, `[traces, packets, bytes]`: the first `length` bytes, zeros behind the end."""
        import numpy as np

        frames = self._data if length is None else [frame[:length] for frame in self._data]
        sizes = np.array([len(frame) for frame in frames])
        padded = np.zeros((len(frames), sizes.max() if length is None else length), dtype=np.uint8)
        padded[np.arange(padded.shape[1]) < sizes[:, None]] = np.frombuffer(b"".join(frames), dtype=np.uint8)
        return self._laid_out(padded, 0, padded.shape[1])

    def nprint(self) -> np.ndarray[Any, Any]:
        """The packets in nPrint, `[traces, packets, 1088]`: bits of the headers, -1 where a header is absent."""
        import numpy as np

        cells = np.full((len(self.ids), self.packets.max(), NPRINT_BITS), -1, dtype=np.int8)
        row = {id: row for row, id in enumerate(self.ids.tolist())}
        for id, packets, planes in self._study._nprint(self.dataset, self.class_):
            if id in row:
                bits = np.unpackbits(np.frombuffer(planes, dtype=np.uint8)).reshape(2, packets, NPRINT_BITS)
                cells[row[id], :packets] = np.where(bits[1] == 1, bits[0], -1)
        return cells

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Traces({len(self)} of {self.dataset}/{self.class_})"


def read_traces(study: Study, dataset: str, class_: str, split: str | int | None) -> Traces:
    """The traces of a class, or of one of its splits."""
    parts = None if split is None else _parts(study, dataset, class_, split)
    fields = ", ".join(f"CAST(coalesce({name}, -1) AS BIGINT) AS {name}" for name in FIELDS)
    columns = study.sql(
        f"SELECT trace_id, position, data, {fields} FROM packets "
        "WHERE dataset = $dataset AND class = $class AND NOT synthetic ORDER BY trace_id, position",
        dataset=dataset, class_=class_,
    )._columns()  # fmt: skip
    if len(columns["trace_id"]) == 0:
        known = study.sql("SELECT DISTINCT dataset || '/' || class FROM classes ORDER BY 1").rows()
        names = ", ".join(name for (name,) in known)
        raise Error(f"the study has no traces of a class `{dataset}/{class_}`", f"it has the classes: {names}")
    if parts is not None:
        import numpy as np

        chosen = np.isin(columns["trace_id"], list(parts))
        columns = {name: values[chosen] for name, values in columns.items()}
    return Traces(study, dataset, class_, columns, parts)


def _parts(study: Study, dataset: str, class_: str, split: str | int) -> dict[int, bool]:
    """Is a trace of the split a member? By id."""
    rows = study.sql(
        "SELECT split_id, role || coalesce(CAST(shadow AS TEXT), ''), trace_id, part = 'member' FROM splits "
        "WHERE dataset = $dataset AND class = $class",
        dataset=dataset, class_=class_,
    ).rows()  # fmt: skip
    of_split = [row for row in rows if split in row[:2]]
    found = sorted({row[0] for row in of_split})
    if len(found) == 1:
        return {row[2]: row[3] for row in of_split}
    if found:
        raise Error(
            f"the class `{dataset}/{class_}` has {len(found)} splits `{split}`, of several specs",
            f"name one by its id: {', '.join(map(str, found))}",
        )
    known = sorted({row[1] for row in rows})
    hint = f"it has: {', '.join(known)}" if known else "a run or an import makes them; without `split` all traces are given"
    raise Error(f"the class `{dataset}/{class_}` has no split `{split}`", hint)
