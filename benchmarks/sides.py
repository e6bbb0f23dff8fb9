"""Rows of a comparison of training speed: what each asks `side.py` for, run one after another, a process each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watched import watched

from pipeline.console import say
from pipeline.errors import InputError

SIDE = Path(__file__).with_name("side.py")


@dataclass(frozen=True)
class Row:
    """One line of a table: `flags` of pretrain.train; `options` as in `side.Options`."""

    name: str
    side: str = "ours"
    flags: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def measure(rows: Iterable[Row], examples: Path, threads: int, common: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What each row's process found, by the row's name. One that failed is told of and left out."""
    found = {}
    for row in rows:
        options = {**common, **row.options}
        options["sets"] = [*common.get("sets", []), *row.options.get("sets", [])]
        command = [sys.executable, SIDE, row.side, examples, json.dumps(options), *row.flags]
        try:
            cost = watched(command, threads, row.environment)
        except InputError as error:
            say(f"{row.name}: failed, {str(error)[-600:]}")
            continue
        result = json.loads(cost.printed.splitlines()[-1])
        result["memory_gb"] = result["memory_gb"] or cost.memory / 1e3
        found[row.name] = result
        say(f"{row.name}: {result['steps_per_second']:.3f} steps, {result['tokens_per_second']:,.0f} tokens a second")
    return found
