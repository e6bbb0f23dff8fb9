"""The lectures' data set: its items are what the old class promised, its cache is never stale, its errors tell."""

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.utils.data import DataLoader, Dataset
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    BertTokenizerFast,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizer,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from pipeline.errors import InputError
from pretrain import TextDatasetForNextSentencePrediction
from pretrain.tokens import open_store
from tests.conftest import REPOSITORY

BLOCK = 32
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMED = {f"{name[1:-1].lower()}_token": name for name in SPECIAL}
#: What texts hold that tokenizers have rules for.
ODD = [
    "[CLS] 지은 [MASK] 집 [SEP]의 끝",
    "첫째\t둘째\u00a0셋째\u3000넷째",
    "한국어(Korean) don't 3.14%!!",
    "각\u1112\u1161\u11ab 😀👍🏽 ㅋㅋㅋ 漢字",
    "\u200b",
    "가" * 150,
    "[mask] [UNK][PAD]",
]


def made_up(documents: int = 60, seed: int = 5) -> list[list[str]]:
    """Documents whose words tell where they stand: no word comes twice."""
    chance = random.Random(seed)
    text = []
    for document in range(documents):
        place = iter(range(10_000))
        sizes = [chance.randint(1, 12) for _ in range(chance.randint(1, 15))]
        text.append([" ".join(f"문{document}단{next(place)}" for _ in range(size)) for size in sizes])
    return text


DOCUMENTS = made_up()
WORDS = [word for document in DOCUMENTS for sentence in document for word in sentence.split()]


def bert(words: list[str]) -> PreTrainedTokenizerFast:
    entries = [*SPECIAL, *words]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(entries)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **NAMED)


def roberta(words: list[str]) -> PreTrainedTokenizerFast:
    entries = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *words]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(entries)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    named = {f"{name}_token": token for name, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=["input_ids"], **named)


class SlowTokenizer(PreTrainedTokenizer):
    """A tokenizer in Python, as lectures write them for a morphological analyser."""

    def __init__(self, entries: list[str], keep: int = 100, **options) -> None:
        self.ids = {entry: number for number, entry in enumerate(entries)}
        self.keep = keep
        super().__init__(**NAMED, **options)

    @property
    def vocab_size(self) -> int:
        return len(self.ids)

    def get_vocab(self) -> dict[str, int]:
        return {**self.ids, **self.added_tokens_encoder}

    def _tokenize(self, text: str, **options) -> list[str]:
        return [word[: self.keep] for word in text.split()]

    def _convert_token_to_id(self, token: str) -> int:
        return self.ids.get(token, self.ids["[UNK]"])

    def _convert_id_to_token(self, index: int) -> str:
        return list(self.ids)[index]

    def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None) -> list[int]:
        return [*token_ids_0, 3] if token_ids_1 is None else [*token_ids_0, 3, *token_ids_1, 3, 2]

    def create_token_type_ids_from_sequences(self, token_ids_0, token_ids_1=None) -> list[int]:
        rest = [] if token_ids_1 is None else [1] * (len(token_ids_1) + 1) + [2]
        return [0] * (len(token_ids_0) + 1) + rest


def text_of(documents: list[list[str]]) -> str:
    return "\n\n".join("\n".join(document) for document in documents) + "\n"


def dataset_of(path: Path, tokenizer=None, block_size: int = BLOCK, **options) -> TextDatasetForNextSentencePrediction:
    return TextDatasetForNextSentencePrediction(tokenizer or bert(WORDS), str(path), block_size, **options)


def same(first: Dataset, second: Dataset) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a[name], b[name]) for a, b in zip(first, second, strict=True) for name in a
    )


def stored(path: Path, vocab_size: int) -> list[list[list[int]]]:
    """Ids of the sentences of the documents in the one cache beside a text."""
    (folder,) = (folder for folder in (path.parent / ".nsp_cache").iterdir() if folder.is_dir())
    store = open_store(folder, "text", vocab_size)
    sentences = [part.tolist() for part in np.split(store.ids, store.sentences[1:-1])]
    return [sentences[first:last] for first, last in zip(store.documents[:-1], store.documents[1:], strict=True)]


def segments(item: dict[str, torch.Tensor], tokenizer) -> tuple[list[str], list[str]]:
    """The words of both segments: what the special ids separate."""
    runs: list[list[str]] = [[]]
    for word in tokenizer.convert_ids_to_tokens(item["input_ids"].tolist()):
        if word in tokenizer.all_special_tokens:
            runs.append([])
        else:
            runs[-1].append(word)
    a, b = (run for run in runs if run)
    return a, b


def places(words: list[str]) -> tuple[int, list[int]]:
    """The document of a segment, and where its words stand in it."""
    found = [tuple(map(int, word[1:].split("단"))) for word in words]
    (document,) = {document for document, _ in found}
    return document, [place for _, place in found]


@pytest.fixture
def path(write) -> Path:
    return write("text.txt", text_of(DOCUMENTS))


MAKERS = {"bert": bert, "roberta": roberta, "slow": lambda words: SlowTokenizer([*SPECIAL, *words])}


@pytest.mark.parametrize(("name", "special"), [("bert", 3), ("roberta", 4), ("slow", 3)])
def test_items_are_framed_pairs_of_the_block(path: Path, name: str, special: int) -> None:
    tokenizer = MAKERS[name](WORDS)
    dataset = dataset_of(path, tokenizer, short_seq_probability=0.0)
    assert isinstance(dataset, Dataset) and tokenizer.num_special_tokens_to_add(pair=True) == special
    longest = 0
    for item in dataset:
        assert list(item) == ["input_ids", "token_type_ids", "next_sentence_label"]
        assert all(value.dtype == torch.long for value in item.values())
        assert item["input_ids"].shape == item["token_type_ids"].shape and item["next_sentence_label"].shape == ()
        a, b = (tokenizer.convert_tokens_to_ids(words) for words in segments(item, tokenizer))
        if name == "slow":
            ids = tokenizer.build_inputs_with_special_tokens(a, b)
            types = tokenizer.create_token_type_ids_from_sequences(a, b)
        else:
            framed = tokenizer(*map(" ".join, segments(item, tokenizer)), return_token_type_ids=True)
            ids, types = framed["input_ids"], framed["token_type_ids"]
        assert item["input_ids"].tolist() == ids and item["token_type_ids"].tolist() == types
        assert len(ids) == len(a) + len(b) + special <= BLOCK
        longest += len(ids) == BLOCK
    assert longest > len(dataset) / 2


def test_pairs_are_what_their_labels_say(path: Path) -> None:
    tokenizer = bert(WORDS)
    dataset = dataset_of(path, tokenizer)
    labels, used = [], set()
    for item in dataset:
        (of_a, a), (of_b, b) = (places(words) for words in segments(item, tokenizer))
        assert a == list(range(a[0], a[0] + len(a))) and b == list(range(b[0], b[0] + len(b)))
        labels.append(int(item["next_sentence_label"]))
        if labels[-1]:
            assert of_a != of_b
        else:
            assert of_a == of_b and a[-1] < b[0]
            assert b[0] == a[-1] + 1 or len(item["input_ids"]) == BLOCK, "only what does not fit is left out"
        used |= {of_a}
    assert used == set(range(len(DOCUMENTS))) and abs(np.mean(labels) - 0.5) < 0.05
    few = [int(item["next_sentence_label"]) for item in dataset_of(path, nsp_probability=0.2)]
    assert np.mean(few) == pytest.approx(0.2, abs=0.05)


def test_it_is_used_as_the_old_one_was(path: Path) -> None:
    tokenizer = bert(WORDS)
    dataset = TextDatasetForNextSentencePrediction(tokenizer, str(path), BLOCK, False, 0.1, 0.5)
    assert same(dataset, dataset_of(path)) and dataset.tokenizer is tokenizer
    assert len(dataset) == len(dataset.examples) == len(list(dataset)) > 100
    assert torch.equal(dataset[-1]["input_ids"], dataset.examples[len(dataset) - 1]["input_ids"])
    assert [len(part) for part in (dataset.examples[:3], dataset.examples[-2:], dataset.examples[9999:])] == [3, 2, 0]
    assert torch.equal(dataset.examples[::-1][0]["input_ids"], dataset[np.int64(-1)]["input_ids"])
    for index in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError):
            dataset[index]


@pytest.mark.parametrize("kind", ["ours", "split", "from vocab.txt", "slow"])
def test_ids_are_those_of_tokenize(kind: str, write, sample_tokenizer: Path) -> None:
    lines = (REPOSITORY / "corpora" / "sample" / "food.txt").read_text("utf-8").splitlines()[:200]
    documents = [[line for line in lines if line.strip()], ODD, ["또 하나의 문서다."]]
    if kind == "slow":
        tokenizer = SlowTokenizer([*SPECIAL, *sorted(set(text_of(documents).split()))])
    elif kind == "from vocab.txt":
        tokenizer = BertTokenizerFast.from_pretrained(sample_tokenizer, do_lower_case=False)
    else:
        tokenizer = AutoTokenizer.from_pretrained(sample_tokenizer, split_special_tokens=kind == "split")
        tokenizer.add_tokens(["김치", "don"])
    path = write("text.txt", text_of(documents))
    dataset_of(path, tokenizer)
    sentences = [[tokenizer.tokenize(line.strip()) for line in document] for document in documents]
    expected = [[tokenizer.convert_tokens_to_ids(tokens) for tokens in document] for document in sentences]
    size = max(tokenizer.get_vocab().values()) + 1
    assert stored(path, size) == [[ids for ids in part if ids] for part in expected]
    assert (tokenizer.sep_token_id in expected[1][0]) == (kind != "split"), "written out it is one, as it was"


def built(path: Path) -> set[tuple[str, int]]:
    """The caches beside a text: name and time, which changes when one is made anew."""
    folders = (path.parent / ".nsp_cache").iterdir()
    return {(folder.name, (folder / "manifest.json").stat().st_mtime_ns) for folder in folders if folder.is_dir()}


def test_the_cache_is_used_again_and_never_stale(path: Path) -> None:
    text, before = path.read_bytes(), path.stat()
    first = dataset_of(path)
    once = built(path)
    assert same(first, dataset_of(path)) and built(path) == once and len(once) == 1
    tokenizer = bert(WORDS)
    tokenizer(["짧은 말", "조금 더 긴 말"], padding=True, truncation=True, max_length=4)
    assert same(first, dataset_of(path, tokenizer)) and built(path) == once, "how it was called is not what it is"

    def anew(**options) -> bool:
        dataset = dataset_of(path, **options)
        changed = not same(first, dataset)
        now = built(path)
        assert len(now) == 1 and not now & once, "the old one is gone"
        assert same(dataset, dataset_of(path, **options)) and built(path) == now
        assert same(first, dataset_of(path)), "what was asked for comes back"
        once.clear()
        once.update(built(path))
        return changed

    assert anew(seed=1) and anew(nsp_probability=0.4) and anew(short_seq_probability=0.9)
    assert anew(tokenizer=bert([*WORDS[:-300], *WORDS[:-301:-1]])), "though no word of the sample is another"
    path.write_bytes(text.replace("문7단3".encode(), "문7단4".encode()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and not same(first, dataset_of(path)), "time and size say nothing"
    path.write_bytes(text)
    assert same(first, dataset_of(path))
    now = built(path)
    assert same(first, dataset_of(path, overwrite_cache=True)) and not built(path) & now


def test_other_settings_keep_the_tokens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dataset_of(path)
    monkeypatch.setattr("pretrain.text_dataset.write_store", None)
    assert (
        len(dataset_of(path, seed=3)) > 0
        and max(len(item["input_ids"]) for item in dataset_of(path, block_size=48)) == 48
    )
    assert len(built(path)) == 2, "one for each block size"
    assert len(list(first)) == len(first), "what is open stays"
    for changed in ({"tokenizer": bert(WORDS[::-1])}, {"overwrite_cache": True}):
        with pytest.raises(TypeError, match="not callable"):
            dataset_of(path, **changed)


def test_a_changed_slow_tokenizer_is_noticed(path: Path) -> None:
    entries = [*SPECIAL, *WORDS, *{word[:3] for word in WORDS}]
    first = dataset_of(path, SlowTokenizer(entries))
    once = built(path)
    assert same(first, dataset_of(path, SlowTokenizer(entries))) and built(path) == once
    assert not same(first, dataset_of(path, SlowTokenizer(entries, keep=3))), "neither vocabulary nor options say it"


@pytest.mark.parametrize("name", ["text.ids.bin", "plan.npy", "manifest.json"])
def test_a_damaged_cache_is_made_anew(path: Path, name: str) -> None:
    items = list(dataset_of(path))
    (folder,) = (folder for folder in (path.parent / ".nsp_cache").iterdir() if folder.is_dir())
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (folder / name).unlink()
    (folder / name).write_bytes(data)
    assert same(items, dataset_of(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n\n\n",
        lambda text: "\n \n" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n\n", "\n \t\n\n\u3000\n"),
        str.strip,
        lambda text: text.replace("\n", "  \n  "),
    ],
    ids=["blank end", "blank beginning", "CRLF", "BOM", "white space", "no last newline", "indented"],
)
def test_blank_lines_may_stand_anywhere(path: Path, write, change) -> None:
    other = write("other/text.txt", change(text_of(DOCUMENTS)))
    assert same(dataset_of(path), dataset_of(other)) and stored(path, 5000) == stored(other, 5000)


def test_cache_dir(path: Path, write, tmp_path: Path) -> None:
    cache, other = tmp_path / "elsewhere", write("b/text.txt", text_of(made_up(40, 6)))
    first = dataset_of(path, cache_dir=cache)
    assert not (path.parent / ".nsp_cache").exists() and same(first, dataset_of(path))
    dataset_of(other, cache_dir=cache)
    assert len([folder for folder in cache.iterdir() if folder.is_dir()]) == 2, "texts of one name do not meet"
    with pytest.raises(InputError, match="cache_dir=FOLDER"):
        dataset_of(path, cache_dir=write("file", "") / "folder")


def test_pickled_it_holds_no_text_and_opens_the_same(path: Path) -> None:
    dataset = dataset_of(path)
    assert len(pickle.dumps(dataset.examples)) < 1500
    assert same(dataset, list(DataLoader(dataset, None, num_workers=2)))
    sent = pickle.dumps(dataset)
    dataset_of(path, overwrite_cache=True)
    assert same(dataset, pickle.loads(sent)), "the same bytes again"
    dataset_of(path, seed=1)
    with pytest.raises(InputError, match="was replaced while it was in use"):
        pickle.loads(sent)


@pytest.mark.slow
def test_workers_that_are_sent_the_data_set(path: Path) -> None:
    dataset = dataset_of(path)
    assert same(dataset, list(DataLoader(dataset, None, num_workers=2, multiprocessing_context="spawn")))


BUILD = """
import sys
from transformers import AutoTokenizer
from pretrain import TextDatasetForNextSentencePrediction
import pretrain.text_dataset as room

made, write_store = [], room.write_store
room.write_store = lambda *given, **named: made.append(1) or write_store(*given, **named)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
print(len(TextDatasetForNextSentencePrediction(tokenizer, sys.argv[1], 32)), len(made))
"""
compile(BUILD, "build", "exec")


@pytest.mark.slow
def test_one_of_several_processes_builds(path: Path, tmp_path: Path) -> None:
    bert(WORDS).save_pretrained(tmp_path / "tokenizer")
    command = [sys.executable, "-c", BUILD, str(path), str(tmp_path / "tokenizer")]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for _ in range(3)]
    said = sorted(run.communicate()[0].split() for run in runs)
    assert [run.returncode for run in runs] == [0, 0, 0] and len({pairs for pairs, _ in said}) == 1
    assert [made for _, made in said] == ["0", "0", "1"]


def test_errors_tell_what_to_do(path: Path, write, tmp_path: Path) -> None:
    one, none = write("one.txt", "\n" + "\n".join(WORDS[:50])), write("none.txt", "\n \n")
    for wrong, message in [
        (lambda: dataset_of(tmp_path / "absent.txt"), "no file .*absent.txt"),
        (lambda: dataset_of(one), "one.txt is one document.*blank lines.*nsp_probability=0"),
        (lambda: dataset_of(none), "none.txt holds no text"),
        (lambda: dataset_of(none, nsp_probability=0), "none.txt holds no text"),
        (lambda: dataset_of(write("a.txt", "\n\n".join(WORDS[:9])), nsp_probability=0), "gives no pair"),
        (lambda: dataset_of(write("b.txt", "가\n\n나\n".encode("cp949"))), "b.txt is not UTF-8 after line 0"),
        (lambda: dataset_of(path, block_size=7), "block_size 7 leaves 4 tokens"),
        (lambda: dataset_of(path, nsp_probability=1.5), "nsp_probability 1.5"),
        (lambda: dataset_of(path, bert(WORDS).backend_tokenizer), "PreTrainedTokenizerFast.tokenizer_object"),
        (lambda: dataset_of(path, bert([])), "5 special tokens and no words.*AutoTokenizer"),
        (lambda: dataset_of(path, bert(WORDS[:9])), "knows less than half of the text"),
    ]:
        with pytest.raises(InputError, match=message):
            wrong()
    assert min(map(len, DOCUMENTS)) == 1, "a document that gives no pair"
    for text in (one, path):
        assert {int(item["next_sentence_label"]) for item in dataset_of(text, nsp_probability=0)} == {0}


def test_how_a_vocabulary_is_loaded(path: Path, write) -> None:
    vocabulary = write("vocabulary/vocab.txt", "\n".join([*SPECIAL, *WORDS]) + "\n")
    with pytest.raises(InputError, match=r"5 special tokens and no words.*vocab_file=\.\.\.\) reads no file"):
        dataset_of(path, BertTokenizerFast(vocab_file=str(vocabulary), do_lower_case=False))
    assert same(dataset_of(path), dataset_of(path, BertTokenizerFast(str(vocabulary), do_lower_case=False)))
    with pytest.raises(InputError, match="do_lower_case=False"):
        dataset_of(path, BertTokenizerFast.from_pretrained(str(vocabulary.parent), do_lower_case=True))


def test_a_training_cell(path: Path, tmp_path: Path) -> None:
    tokenizer = bert(WORDS)
    dataset = dataset_of(path, tokenizer)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForPreTraining(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=BLOCK, **size))
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path / "out"),
            max_steps=3,
            per_device_train_batch_size=8,
            logging_steps=1,
            save_steps=3,
            prediction_loss_only=True,
            report_to="none",
            use_cpu=True,
        ),
        data_collator=DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm=True, mlm_probability=0.15),
        train_dataset=dataset,
    )
    result = trainer.train()
    random_loss = np.log(len(tokenizer)) + np.log(2)
    assert result.global_step == 3 and result.training_loss == pytest.approx(random_loss, rel=0.15)
    trainer.save_model(str(tmp_path / "model"))
    assert BertForPreTraining.from_pretrained(tmp_path / "model").config.vocab_size == len(tokenizer)


def test_importing_the_room_leaves_torch_alone() -> None:
    code = "import sys, pretrain, pretrain.nsp; assert 'torch' not in sys.modules; pretrain.TextDatasetForNextSentence"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert "AttributeError: module 'pretrain' has no attribute 'TextDatasetForNextSentence'" in run.stderr


OLD_AND_NEW = """
import json, sys
import transformers
from transformers import AutoTokenizer, BertTokenizer, BertTokenizerFast
from transformers import TextDatasetForNextSentencePrediction as Old
from pretrain import TextDatasetForNextSentencePrediction as New

text, folder = sys.argv[1:]
found = {"version": transformers.__version__}
for kind in (BertTokenizerFast, BertTokenizer, AutoTokenizer):
    tokenizer = kind.from_pretrained(folder, do_lower_case=False)
    old, new = Old(tokenizer, text, 32, True), New(tokenizer, text, 32, True)
    framed = 0
    for item in new:
        ids, types = item["input_ids"].tolist(), item["token_type_ids"].tolist()
        a, b = ids[1 : types.index(1) - 1], ids[types.index(1) : -1]
        framed += [tokenizer.cls_token_id, *a, tokenizer.sep_token_id, *b, tokenizer.sep_token_id] == ids and (
            kind is AutoTokenizer
            or (tokenizer.build_inputs_with_special_tokens(a, b), tokenizer.create_token_type_ids_from_sequences(a, b))
            == (ids, types)
        )
    found[kind.__name__] = {
        "shapes": [{name: [str(value.dtype), value.dim()] for name, value in items[0].items()} for items in (old, new)],
        "sentences": old.documents,
        "items": [[value.tolist() for value in item.values()] for item in new],
        "framed": framed == len(new),
        "fast": tokenizer.is_fast,
    }
print(json.dumps(found))
"""
compile(OLD_AND_NEW, "old and new", "exec")


@pytest.mark.slow
def test_beside_the_old_class(path: Path, write) -> None:
    other = REPOSITORY / ".compat"
    if not (other / "transformers").is_dir():
        pytest.skip("transformers 4.57 is not installed beside: run `make .compat/.installed`")
    folder = write("vocabulary/vocab.txt", "\n".join([*SPECIAL, *WORDS]) + "\n").parent
    write("vocabulary/config.json", '{"model_type": "bert"}')
    run = subprocess.run(
        [sys.executable, "-c", OLD_AND_NEW, str(path), str(folder)],
        text=True,
        capture_output=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(other), str(REPOSITORY)])},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found.pop("version").startswith("4.57.")
    tokenizer = BertTokenizerFast.from_pretrained(folder, do_lower_case=False)
    here = [[value.tolist() for value in item.values()] for item in dataset_of(path, tokenizer)]
    ids = stored(path, len(tokenizer))
    assert [kind["fast"] for kind in found.values()] == [True, False, True]
    for kind in found.values():
        old, new = kind["shapes"]
        assert old == new and kind["framed"] and kind["items"] == here
        assert [document for document in kind["sentences"] if document] == ids
