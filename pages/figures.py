"""Figures that a probe wrote into its manifest, whatever they are, as tables: model beside model.

Shares are known by their interval: `{"share", "low", "high", "of"}`, or flat as `x`, `x_low`, `x_high` and `x_of`.
Flat names may begin with a model's: `law.josa.accuracy`. So a new probe needs no new code here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pages.document import Block, Cell, Share, Table, Words, paragraph, table
from pages.training import is_number
from probes.exam import RANDOM

#: Keys of a share, which have a place of their own.
_OF_SHARE = ("share", "low", "high", "right", "of")
#: What is told elsewhere, or is a copy of the rest.
_LEFT_OUT = ("seconds", "peak_memory_mb", "seconds_each", "table", "models")
#: Rows shown of a list of findings; the probe's own report has all.
_ROWS = 20
#: Measures as papers write them.
_WRITTEN = {"p_at_1": "P@1", "p_at_10": "P@10", "mrr": "MRR"}

Leaf = tuple[tuple[str, ...], Mapping[str, Any]]


def figure_blocks(figures: Mapping[str, Any], title: str, models: Sequence[str]) -> list[Block]:
    """Any figures as tables; `models`: names of models, besides those that the figures list."""
    names = {*models, RANDOM, *_listed(figures)}
    of_models, others = _split(figures, names)
    blocks: list[Block] = []
    leaves = list(_leaves(of_models))
    for depth in sorted({len(path) for path, _ in leaves}, reverse=True):
        level = [leaf for leaf in leaves if len(leaf[0]) == depth]
        for shared in (True, False):
            some = [leaf for leaf in level if is_number(leaf[1].get("share")) is shared]
            blocks += [_leaf_table(title if shared else f"{title}: other figures", some)] if some else []
    for path, leaf in _leaves(others):
        if is_number(leaf.get("share")):
            blocks.append(_leaf_table(title, [(path or (title,), leaf)], "what"))
        elif path:
            rows = [(_name(name), value_text(value)) for name, value in leaf.items()]
            blocks.append(table(_name(" · ".join(path)), ("what", "value"), rows))
        else:
            told = "; ".join(f"{_name(name)} {value_text(value)}" for name, value in leaf.items())
            blocks.append(paragraph(f"{told}."))
    blocks += [_row_table(name, rows) for name, rows in others.items() if _is_rows(rows)]
    return blocks or [paragraph("The manifest holds no figures.")]


def shares(figures: Mapping[str, Any], model: str) -> dict[tuple[str, ...], Share]:
    """The shares of one model, by what they are of."""
    of_models, _ = _split(figures, {model, RANDOM, *_listed(figures)})
    found = [(path, leaf) for path, leaf in _leaves(of_models) if is_number(leaf.get("share"))]
    return {path[1:]: _share(leaf) for path, leaf in found if path[0] == model}


def value_text(value: object) -> str:
    """A value of no known meaning."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _listed(figures: Mapping[str, Any]) -> list[str]:
    """Names of models that the figures tell: a list of them, or a table with one entry for each."""
    models = figures.get("models")
    return [str(name) for name in models] if isinstance(models, list | dict) else []


def _split(figures: Mapping[str, Any], names: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of models by their names, and all others; flat names are taken apart."""
    of_models: dict[str, Any] = {}
    others: dict[str, Any] = {}
    models = figures.get("models")
    for name, value in (models if isinstance(models, dict) else {}).items():
        of_models[str(name)] = value
    for name, value in figures.items():
        owner = next((each for each in sorted(names, key=len, reverse=True) if name.startswith(f"{each}.")), None)
        if owner:
            _put(of_models.setdefault(owner, {}), name[len(owner) + 1 :].split("."), value)
        elif name in names and isinstance(value, dict):
            of_models[name] = value
        elif "." in name and name not in _LEFT_OUT:
            # No model, but measured beside them: a baseline.
            _put(of_models, name.split("."), value)
        elif name not in _LEFT_OUT:
            others[name] = value
    return _joined(of_models), _joined(others)


def _put(place: dict[str, Any], names: Sequence[str], value: Any) -> None:
    for name in names[:-1]:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = place[name] = {"value": inner}
        place = inner
    place[names[-1]] = value


def _joined(figures: Mapping[str, Any]) -> dict[str, Any]:
    """`x`, `x_low`, `x_high` and `x_of` as one share."""
    found: dict[str, Any] = {}
    taken: set[str] = set()
    for name, value in figures.items():
        if is_number(value) and all(is_number(figures.get(f"{name}_{end}")) for end in ("low", "high")):
            count = figures.get(f"{name}_of", figures.get("of"))
            found[name] = {"share": value, "low": figures[f"{name}_low"], "high": figures[f"{name}_high"], "of": count}
            taken |= {f"{name}_{end}" for end in ("low", "high", "of")}
        else:
            found[name] = _joined(value) if isinstance(value, dict) else value
    return {name: value for name, value in found.items() if name not in taken}


def _leaves(figures: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Tables of plain values with where they stand."""
    values = {name: value for name, value in figures.items() if _scalar(value)}
    if values:
        yield path, values
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, str(name)))


def _leaf_table(title: str, leaves: Sequence[Leaf], head: str = "model") -> Table:
    """A row for each; the first part of a path is the model, and is told last."""
    whats = list(dict.fromkeys(path[1:] for path, _ in leaves))
    models = list(dict.fromkeys(path[0] for path, _ in leaves))
    ordered = sorted(leaves, key=lambda leaf: (whats.index(leaf[0][1:]), models.index(leaf[0][0])))
    named = any(whats)
    with_share = is_number(leaves[0][1].get("share"))
    extra = list(dict.fromkeys(name for _, leaf in leaves for name in leaf if not with_share or name not in _OF_SHARE))
    rows: list[Words] = []
    for path, leaf in ordered:
        cells: list[Cell] = [_name(" · ".join(path[1:])), path[0]] if named else [path[0]]
        cells += [_share(leaf), value_text(leaf.get("of"))] if with_share else []
        rows.append((*cells, *(value_text(leaf.get(name)) for name in extra)))
    columns = [*(("what",) if named else ()), head, *(("share (95% interval)", "of") if with_share else ())]
    return table(title, (*columns, *map(_name, extra)), rows)


def _share(leaf: Mapping[str, Any]) -> Share:
    low, high = (float(leaf[end]) if is_number(leaf.get(end)) else None for end in ("low", "high"))
    return Share(float(leaf["share"]), low, high)


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _row_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if _scalar(value)))
    cells = [tuple(value_text(row.get(column)) for column in columns) for row in rows[:_ROWS]]
    more = f" (the first {_ROWS} of {len(rows):,})" if len(rows) > _ROWS else ""
    return table(_name(name) + more, tuple(map(_name, columns)), cells)


def _scalar(value: object) -> bool:
    return isinstance(value, str | int | float) or value is None


def _name(text: str) -> str:
    """A figure's name in words."""
    return " · ".join(_WRITTEN.get(part, part.replace("_", " ")) for part in text.split(" · "))
