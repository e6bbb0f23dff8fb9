"""`model.onnx`: the masked-language model for runtimes without torch; and the same in 8 bits.

Inputs `input_ids`, `attention_mask`, `token_type_ids`, each (batch, sequence) int64, both axes of any size; output
`logits`, (batch, sequence, entries) float32. What the exporter notes of the machine's files is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertForPreTraining

from pipeline.errors import InputError
from pretrain.quiet import quiet_onnx

ONNX, INT8 = "model.onnx", "model_int8.onnx"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OPSET = 18
#: Logits of torch and of the ONNX file differ by no more.
TOLERANCE = 1e-4

#: A batch by the names of `INPUTS` -> logits.
Answer = Callable[[Mapping[str, Tensor]], Tensor]


def need_onnx(flag: str) -> None:
    """Raise InputError if the packages of the extra `onnx` are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{flag} needs packages that are not installed ({error}): pip install 'hanbeot[onnx]'"
        ) from None


class _Logits(nn.Module):
    """What stands behind each position, without the head for pairs."""

    def __init__(self, model: BertForPreTraining) -> None:
        super().__init__()
        self.bert, self.predictions = model.bert, model.cls.predictions

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        logits: Tensor = self.predictions(hidden.last_hidden_state)
        return logits


@torch.no_grad()
def write_onnx(model: BertForPreTraining, folder: Path) -> float:
    """Write `model.onnx` into `folder`; returns the largest difference of a logit from torch's over several shapes.

    Raises RuntimeError if that is more than `TOLERANCE`.
    """
    longest = model.config.max_position_embeddings
    batch = example_batch(2, min(9, longest), model.config.vocab_size)
    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("sequence", min=1, max=longest)}
    with quiet_onnx():
        program = torch.onnx.export(
            _Logits(model).eval(),
            tuple(batch.values()),
            dynamo=True,
            verbose=False,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=(axes,) * len(INPUTS),
            opset_version=OPSET,
        )
    assert program is not None
    # Stack traces: paths of this machine, of no use to others.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    program.save(str(folder / ONNX))
    return _check(model, folder / ONNX)


def write_int8(folder: Path) -> None:
    """Write `model_int8.onnx` beside `model.onnx`: matrices and embeddings in 8 bits, activations when it runs."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with quiet_onnx(), TemporaryDirectory() as scratch:
        folded = Path(scratch) / ONNX
        # So that the output matrix, the embeddings transposed, is a constant, and is taken to 8 bits too.
        quant_pre_process(str(folder / ONNX), str(folded), skip_symbolic_shape=True)
        quantize_dynamic(str(folded), str(folder / INT8), weight_type=QuantType.QInt8, per_channel=True)


def onnx_answer(path: Path, threads: int = 0) -> Answer:
    """An ONNX file as a function of a batch, on the CPU; `threads` 0: as many as the runtime likes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def answer(batch: Mapping[str, Tensor]) -> Tensor:
        (logits,) = session.run(["logits"], {name: batch[name].numpy() for name in INPUTS})
        return torch.from_numpy(np.asarray(logits))

    return answer


def torch_answer(model: BertForPreTraining) -> Answer:
    """The model itself as such a function."""
    module = _Logits(model).eval()

    @torch.no_grad()
    def answer(batch: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = module(**{name: batch[name] for name in INPUTS})
        return logits

    return answer


def example_batch(rows: int, width: int, entries: int, *, padded: bool = True) -> dict[str, Tensor]:
    """Random ids in two segments, row i with i tokens of padding if it is `padded`: a function of the shape."""
    generator = torch.Generator().manual_seed(rows * 10_007 + width)
    ids = torch.randint(min(5, entries - 1), entries, (rows, width), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(rows if padded else 0):
        mask[row, max(1, width - row) :] = 0
    types = torch.zeros_like(ids)
    types[:, width // 2 :] = 1
    return dict(zip(INPUTS, (ids, mask, types), strict=True))


def _check(model: BertForPreTraining, path: Path) -> float:
    longest = model.config.max_position_embeddings
    ours, theirs = torch_answer(model), onnx_answer(path)
    largest = 0.0
    for rows, width in ((1, 1), (1, 7), (3, 17), (8, 33), (2, longest)):
        batch = example_batch(rows, min(width, longest), model.config.vocab_size)
        there = batch["attention_mask"].bool()
        largest = max(largest, float((ours(batch)[there] - theirs(batch)[there]).abs().max()))
    if not largest <= TOLERANCE:
        raise RuntimeError(f"the ONNX file's logits differ from torch's by up to {largest:g}, more than {TOLERANCE:g}")
    return largest
