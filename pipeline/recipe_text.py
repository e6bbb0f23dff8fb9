"""A recipe's tables as the TOML file that makes them again: what manifests hold, with all overrides applied.

JSON's strings, whole numbers and lists are TOML's too, but for the one control character that JSON leaves as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

#: The file's name beside what was made by it.
RECIPE = "recipe.toml"


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables as TOML; a table within a table and a list of tables have headings of their own.

    >>> print(as_toml({"a": {"x": 1e-4, "inner": {"y": [True]}, "rows": [{"z": 'say "x"'}]}}))
    [a]
    x = 0.0001
    <BLANKLINE>
    [a.inner]
    y = [true]
    <BLANKLINE>
    [[a.rows]]
    z = "say \\"x\\""
    <BLANKLINE>
    """
    return "\n".join(line for name, table in tables.items() for line in _table(f"[{name}]", name, table))


def as_value(value: Any) -> str:
    """A value as TOML, and as `--set` takes it."""
    # What is no number is `nan` and `inf` here, not JSON's NaN and Infinity.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(heading: str, place: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield heading
    inner: list[tuple[str, str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner.append((f"[{place}.{key}]", f"{place}.{key}", value))
        elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            inner += [(f"[[{place}.{key}]]", f"{place}.{key}", row) for row in value]
        else:
            yield f"{key} = {as_value(value)}"
    yield ""
    for row in inner:
        yield from _table(*row)
