"""What a run writes down: `metrics.jsonl` (one JSON object a line) and TensorBoard events."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from pipeline.files import write_atomic

METRICS = "metrics.jsonl"
Record = dict[str, float]


class MetricsLog:
    """Appends records of a run; each holds `step` and any numbers. `None` for a folder (other ranks) writes nothing."""

    def __init__(self, folder: Path | None, resumed_at: int) -> None:
        self._path = folder / METRICS if folder else None
        self._events: SummaryWriter | None = None
        if folder and self._path:
            # Steps after the checkpoint will be run again; their records of the first time would stand twice.
            kept = [record for record in read_metrics(self._path) if record["step"] <= resumed_at]
            write_atomic(self._path, "".join(json.dumps(record) + "\n" for record in kept))
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at + 1)

    def write(self, record: Record) -> None:
        """Append one record and flush it."""
        if self._path is None or self._events is None:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        for name, value in record.items():
            if name != "step":
                self._events.add_scalar(name.replace("held_out_", "held_out/"), value, int(record["step"]))

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()


def read_metrics(path: Path) -> list[Record]:
    """The records of a run so far; a last line cut off by a crash is left out."""
    if not path.exists():
        return []
    records: list[Record] = []
    for line in path.read_text("utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
