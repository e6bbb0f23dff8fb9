"""Many places asked at once are what the model says of each input by itself."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from pipeline.errors import InputError
from probes import model as asked
from probes.likelihood import log_likelihoods
from probes.model import MaskedModel, Query
from tests.probes.tiny import wordpiece_folder


@pytest.fixture
def model(exported: Path, monkeypatch: pytest.MonkeyPatch) -> MaskedModel:
    # Several batches, some of one query alone.
    monkeypatch.setattr(asked, "BATCH_TOKENS", 64)
    return MaskedModel(exported)


def test_places_of_many_inputs(model: MaskedModel, exported: Path, held_out_lines: list[str]) -> None:
    stock = AutoModelForMaskedLM.from_pretrained(exported).eval()
    queries = []
    for number, line in enumerate(held_out_lines[:20]):
        ids = model.tokenizer(line, truncation=True, max_length=32)["input_ids"]
        queries.append(Query(tuple(ids), tuple(range(number % 3, len(ids), 5))))
    queries.append(Query(queries[0].ids, ()))
    found = model.log_probabilities(queries)
    truths = model.truths(queries, [[query.ids[place] for place in query.places] for query in queries])
    for query, scores, own in zip(queries, found, truths, strict=True):
        with torch.no_grad():
            logits = stock(input_ids=torch.tensor([query.ids])).logits[0]
        expected = logits.log_softmax(-1)[list(query.places)]
        torch.testing.assert_close(scores, expected, rtol=0, atol=2e-5)
        wanted = [float(row[query.ids[place]]) for row, place in zip(expected, query.places, strict=True)]
        assert list(own) == pytest.approx(wanted, abs=2e-5)


def test_the_head_of_any_model(model: MaskedModel) -> None:
    """What is not BERT's own class has its head everywhere; the scores are the same."""
    ids = torch.tensor([model.tokenizer("이순신은 조선 중기의 무신이다.")["input_ids"]])
    rows, columns = torch.tensor([0, 0]), torch.tensor([2, 4])
    with torch.no_grad():
        dense = model.model(input_ids=ids).logits[rows, columns]
        torch.testing.assert_close(asked.logits_at(model.model, ids, torch.ones_like(ids), rows, columns), dense)


def test_random_weights_are_a_function_of_the_seed(exported: Path) -> None:
    texts = ["이순신은 조선 중기의 무신이다."]
    first, again, other = (
        log_likelihoods(MaskedModel(exported, random_weights=seed), texts)[0].total for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first < log_likelihoods(MaskedModel(exported), texts)[0].total, "the trained one knows the text"


@pytest.mark.parametrize("way", ["within_word", "each"])
def test_likelihoods_are_sums_of_what_each_piece_costs(exported: Path, held_out_lines: list[str], way: str) -> None:
    """A plain count by hand: one input at a time, words by the marks of their pieces and by spaces."""
    model, tokenizer = MaskedModel(exported), AutoTokenizer.from_pretrained(exported)
    stock = AutoModelForMaskedLM.from_pretrained(exported).eval()
    lines = [line for line in held_out_lines if len(tokenizer(line)["input_ids"]) <= 32][:6]
    for line, found in zip(lines, log_likelihoods(model, lines, way), strict=True):
        ids = tokenizer(line)["input_ids"]
        pieces = tokenizer.convert_ids_to_tokens(ids)
        total = 0.0
        for place in range(1, len(ids) - 1):
            shown = list(ids)
            shown[place] = tokenizer.mask_token_id
            later = place + 1
            while way == "within_word" and pieces[later].startswith("##"):
                shown[later] = tokenizer.mask_token_id
                later += 1
            with torch.no_grad():
                total += float(stock(input_ids=torch.tensor([shown])).logits[0, place].log_softmax(-1)[ids[place]])
        assert found.total == pytest.approx(total, rel=1e-5)
        assert found.pieces == tuple(pieces[1:-1])


def test_a_text_too_long_for_the_model(exported: Path) -> None:
    with pytest.raises(InputError, match="the model reads at most 32"):
        log_likelihoods(MaskedModel(exported), ["아주 긴 글이다. " * 50])


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ({"num_hidden_layers": 1}, r"fewer layers.*bert\.encoder\.layer\.1\."),
        ({"hidden_size": 8}, r"other shapes than config\.json says"),
        ({"vocab_size": 9}, r"other shapes than config\.json says"),
        ({"hidden_act": "nope"}, "KeyError 'nope'"),
        ({"hidden_size": "wide"}, "hidden_size.*expected int"),
    ],
)
def test_a_configuration_that_lies(tmp_path: Path, lie: dict[str, object], told: str) -> None:
    config = wordpiece_folder(tmp_path) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **lie}))
    with pytest.raises(InputError, match=told) as refused:
        MaskedModel(tmp_path)
    assert "\n" not in str(refused.value)


def test_no_code_of_a_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it asked whether to, where a reader might say yes."""
    config, ran = wordpiece_folder(tmp_path) / "config.json", tmp_path / "ran"
    classes = {"AutoConfig": "own.Own", "AutoModelForMaskedLM": "own.Own"}
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "own", "auto_map": classes}))
    (tmp_path / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Own: pass\n")
    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail("asked"))
    for seed in (None, 0):
        with pytest.raises(InputError, match="never run here"):
            MaskedModel(tmp_path, random_weights=seed)
    assert not ran.exists()


def test_weights_that_are_no_numbers_answer_nothing(tmp_path: Path) -> None:
    """Of an answer that is no number every comparison is false: each rank would be the first."""
    weights = wordpiece_folder(tmp_path) / "model.safetensors"
    tensors = load_file(weights)
    tensors["bert.embeddings.LayerNorm.weight"][0] = float("nan")
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(InputError, match="what is no number"):
        MaskedModel(tmp_path).truths([Query((2, 7, 4, 3), (2,))], [[8]])
