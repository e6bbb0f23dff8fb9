"""Weights and moments that lie in flat tensors, as ZeRO has them: put in and got back, without DeepSpeed."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, distributed, nn

from pretrain.moments import Piece, kept_of, put

SHAPES = [(2, 3), (3, 2), (8,)]
#: By process, of each parameter: where its run begins in the flat tensor and in the parameter, and its numbers. Twenty
#: numbers in two halves: the second parameter is cut, each process has none of another one.
RUNS = [[(0, 0, 6), (6, 0, 4), None], [None, (0, 4, 2), (2, 0, 8)]]


def process(rank: int) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
    """Parameters as DeepSpeed leaves them, and the optimiser of the one flat tensor."""
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    for parameter, run in zip(parameters, RUNS[rank], strict=True):
        parameter._dp_group = None
        parameter._hp_mapping = run and SimpleNamespace(
            param_group_index=0,
            hp_fragment_address=SimpleNamespace(start=run[0], numel=run[2]),
            lp_fragment_address=SimpleNamespace(start=run[1], numel=run[2]),
        )
    return parameters, torch.optim.AdamW([nn.Parameter(torch.full((10,), -1.0))])


def test_flat_halves_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor, group: None)
    draws = {kind: [torch.randn(shape) for shape in SHAPES] for kind in ("weights", "exp_avg", "exp_avg_sq")}
    found: dict[str, list[Tensor]] = {"weights": [], "exp_avg": [], "exp_avg_sq": []}
    sums = [{kind: torch.zeros(shape) for kind in ("exp_avg", "exp_avg_sq")} for shape in SHAPES]
    for rank in range(2):
        parameters, optimizer = process(rank)
        for number, parameter in enumerate(parameters):
            kept = {kind: draws[kind][number] for kind in ("exp_avg", "exp_avg_sq")}
            put(parameter, optimizer, draws["weights"][number], {**kept, "step": torch.tensor(7.0)})
            assert torch.equal(parameter, draws["weights"][number])
        flat = optimizer.param_groups[0]["params"][0]
        found["weights"].append(flat.detach())
        for kind in ("exp_avg", "exp_avg_sq"):
            found[kind].append(optimizer.state[flat][kind])
        assert float(optimizer.state[flat]["step"]) == 7.0 and not optimizer.state[flat]["exp_avg"].requires_grad
        for parameter, total in zip(parameters, sums, strict=True):
            held = kept_of(parameter, optimizer)
            assert list(held) == ["exp_avg", "exp_avg_sq"]
            for kind, piece in held.items():
                assert isinstance(piece, Piece)
                total[kind] += piece.whole()
    for kind, halves in found.items():
        assert torch.equal(torch.cat(halves), torch.cat([drawn.flatten() for drawn in draws[kind]]))
    for number, total in enumerate(sums):
        for kind in total:
            assert torch.equal(total[kind], draws[kind][number])
