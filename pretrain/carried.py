"""What became of a folder's model when a run began from it, in words: carried, cut, grown, drawn anew, left out."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import Tokenizer
from transformers import BertConfig

from pretrain.cut import Cut
from pretrain.source import TYPES, Source
from tokenizer.transfer import Transfer
from tokenizer.wordpiece import SPECIAL_TOKENS

#: In a folder's configuration, not in the recipe: the trained weights are for these.
KEPT = ("hidden_act", "layer_norm_eps")
#: Prefix of weights -> what it is called.
_PARTS = {
    TYPES: "segment types",
    "bert.pooler.": "pooler",
    "cls.predictions.": "masked-language-model head",
    "cls.seq_relationship.": "head for pairs",
}
_SHAPE = (
    ("hidden_size", "dimensions"),
    ("num_attention_heads", "heads a layer"),
    ("intermediate_size", "neurons a layer"),
)
#: Weights that are named one by one.
_NAMED = 4


def told(
    source: Source, found: Cut, mapped: Transfer, config: BertConfig, vocabulary: Tokenizer
) -> Iterator[tuple[str, str]]:
    """(part, what it begins as), for a model of shape `config` over `vocabulary` that begins as `source`."""
    old = source.config
    had = old.num_hidden_layers
    some = f"{len(found.layers)} of {had}: {' '.join(map(str, found.layers))}"
    yield "layers", some if len(found.layers) < had else f"all {had}"
    sizes = [(getattr(config, name), getattr(old, name), words) for name, words in _SHAPE]
    cuts = [f"{rows:,} of {had:,} {words}" for rows, had, words in sizes if rows != had]
    whole = f"all {old.hidden_size:,} dimensions"
    yield "width", f"{', '.join(cuts)}: those read with most weight" if cuts else whole
    yield "entries", _entries(mapped, vocabulary)
    yield "positions", _positions(old.max_position_embeddings, config.max_position_embeddings)
    if any(getattr(old, name) != getattr(BertConfig(), name) for name in KEPT):
        yield "kept", f"{old.hidden_act}, layer_norm_eps {old.layer_norm_eps}, as the folder has them"
    if anew := _drawn(source, config):
        yield "drawn anew", anew
    if source.unexpected:
        more = len(source.unexpected) - _NAMED
        yield "left out", ", ".join(source.unexpected[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _positions(had: int, rows: int) -> str:
    if rows > had:
        return f"{had:,} grown to {rows:,}: the rows again from the first"
    return f"the first {rows:,} of {had:,}" if rows < had else f"all {had:,}"


def _entries(mapped: Transfer, vocabulary: Tokenizer) -> str:
    size = len(mapped.rows)
    if mapped.carried == size and not mapped.lost:
        return f"all {size:,}"
    names = [name for name in SPECIAL_TOKENS if mapped.rows[vocabulary.token_to_id(name)] < 0]
    special = f", {' '.join(names)} among them" if names else ""
    return (
        f"{mapped.carried:,} of {size:,} carried, {mapped.composed:,} composed of their pieces, "
        f"{mapped.fresh:,} new{special}; {len(mapped.lost):,} of the folder's left out"
    )


def _drawn(source: Source, config: BertConfig) -> str:
    """The parts of the model of which the folder holds nothing or not all, by name."""
    anew = []
    for prefix, words in _PARTS.items():
        names = [name for name in source.missing if name.startswith(prefix)]
        whole = not any(name.startswith(prefix) for name in source.weights)
        anew += [words if whole else f"{words} ({', '.join(names)})"] if names else []
    types = source.config.type_vocab_size
    if types < config.type_vocab_size and TYPES in source.weights:
        anew.append(f"segment types from the {types + 1}. on")
    return ", ".join(anew)
