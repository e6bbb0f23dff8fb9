"""What is looked at of train: evenly from all of it, windows with their rows."""

from pathlib import Path

from finetune.data.rows import Row, Rows
from finetune.kinds.kind import Encoded
from finetune.learn import some_rows


def test_some_rows_are_evenly_from_all_with_their_windows() -> None:
    rows = Rows(Path("rows"), tuple(Row(f"{n}", None, str(n // 5), f"line {n}", f"{n}") for n in range(10)))
    owners = tuple(n for n in range(10) for _ in range(1 + n % 3))
    examples = [{"input_ids": [owner]} for owner in owners]
    encoded = Encoded(rows, examples, owners, tuple(((owner, owner + 1),) for owner in owners))
    some = some_rows(encoded, 4)
    assert [row.name for row in some.rows.rows] == ["0", "2", "5", "7"]
    assert {row.label for row in some.rows.rows} == {"0", "1"}
    assert [
        (some.rows.rows[owner].name, example["input_ids"])
        for owner, example in zip(some.owners, some.examples, strict=True)
    ] == [(str(owner), [owner]) for owner in owners if owner in (0, 2, 5, 7)]
    assert [offset[0][0] for offset in some.offsets] == [owner for owner in owners if owner in (0, 2, 5, 7)]
    assert some_rows(encoded, 99).owners == owners
