"""What a run writes down, and the curves drawn of it."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pretrain import curves
from pretrain.curves import Curves, draw_curves
from pretrain.metrics import MetricsLog


def record(step: int) -> dict[str, float]:
    trained = {"mlm_loss": 9 - step / 100, "mlm_accuracy": step / 1000, "nsp_loss": 0.7, "nsp_accuracy": 0.5}
    return {"step": step, **trained, "learning_rate": 1e-4, "grad_norm": 1.0 + step % 7, "tokens_per_second": 1000}


def evaluation(step: int) -> dict[str, float]:
    held_out = {"mlm_loss": 9 - step / 120, "mlm_accuracy": 0.1, "mlm_bits_per_character": 4.0, "nsp_accuracy": 0.6}
    return {"step": step, **{f"held_out_{name}": value for name, value in held_out.items()}}


WHOLE = [evaluation(0), *map(record, range(10, 210, 10)), evaluation(100), evaluation(200)]


def written(folder: Path, records: list[dict[str, float]]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))
    return folder


def words(folder: Path) -> set[str]:
    root = ElementTree.parse(folder / "loss.svg").getroot()
    return {"".join(text.itertext()).strip() for text in root.iter("{http://www.w3.org/2000/svg}text")}


def without(part: str) -> list[dict[str, float]]:
    return [{name: value for name, value in line.items() if part not in name} for line in WHOLE]


LOSS, BITS, GUESSED, PAIRS = (
    "MLM loss (nats per masked token)",
    "MLM bits per character",
    "MLM accuracy",
    "accuracy on pairs",
)


@pytest.mark.parametrize(
    ("records", "shown", "missing"),
    [
        (WHOLE, {LOSS, BITS, PAIRS, "training", "held out"}, {GUESSED}),
        (without("nsp"), {LOSS, BITS, GUESSED, "held out"}, {PAIRS}),
        (without("held_out"), {LOSS, GUESSED, PAIRS, "training"}, {BITS, "held out"}),
        ([{**line, "grad_norm": 10.0 ** line["step"]} for line in map(record, (1, 2, 3))], {LOSS}, {BITS}),
        ([record(10)], {LOSS, "training", "tokens per second"}, {"held out"}),
        ([evaluation(0)], {LOSS, "held out"}, {"training"}),
        ([], {LOSS}, {"training", "held out"}),
    ],
)
def test_curves_of_any_run(tmp_path: Path, records: list[dict[str, float]], shown: set[str], missing: set[str]) -> None:
    """The words of the SVG are text; what there is none of has no panel."""
    assert draw_curves(written(tmp_path, records)) == tmp_path / "loss.png"
    assert {*shown, "learning rate", "norm of the gradients"} <= words(tmp_path) and not missing & words(tmp_path)
    assert imread(tmp_path / "loss.png").std() > 0.01
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.png", "loss.svg", "metrics.jsonl"]


def test_the_same_records_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says and whatever someone set matplotlib to."""
    import matplotlib as mpl

    draw_curves(written(tmp_path / "one", WHOLE))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": "other"}):
        draw_curves(written(tmp_path / "two", WHOLE))
        assert mpl.rcParams["font.size"] == 20
    for name in ("loss.png", "loss.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one" / "loss.svg").read_bytes()


def test_long_runs_are_thinned(tmp_path: Path) -> None:
    draw_curves(written(tmp_path / "short", [record(step) for step in range(1, 500)]))
    draw_curves(written(tmp_path / "long", [record(step) for step in range(1, 20000)]))
    sizes = [(tmp_path / name / "loss.svg").stat().st_size for name in ("short", "long")]
    assert sizes[1] < 1.5 * sizes[0]


def test_drawn_while_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more often than every few seconds, and by one process."""
    written(tmp_path, WHOLE)
    Curves(tmp_path).refresh()
    assert not (tmp_path / "loss.png").exists()
    monkeypatch.setattr(curves, "INTERVAL", 0.0)
    Curves(None).refresh()
    assert not (tmp_path / "loss.png").exists()
    Curves(tmp_path).refresh()
    assert (tmp_path / "loss.png").exists()


def test_all_of_it_is_in_tensorboard(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_at=-1) as log:
        log.write(record(10))
        log.write(evaluation(10))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"mlm_loss", "grad_norm", "learning_rate", "tokens_per_second"} <= scalars
    assert "held_out/mlm_bits_per_character" in scalars
