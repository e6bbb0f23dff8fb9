"""Each gate lets a good folder pass and stops a broken one, in words that a user can act on."""

import dataclasses
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from tokenizers import Tokenizer, normalizers

from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from tokenizer.gates import EOJEOL_FLOOR, JOSA_FLOOR, ODD_LINES, Gate, Measured, run_gates, stop_if_failed
from tokenizer.settings import Coverage, Gates, TokenizerSettings
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, reserved_entries, save_tokenizer
from tokenizer.words import split_words

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = [
    line
    for path in sorted((REPOSITORY / "corpora" / "sample").glob("*.txt"))
    for line in path.read_text("utf-8").split("\n")
]
LINES = [*[line for line in SAMPLE if line][:300], "I do not know, it is n't so.", "cafe resume", "café와 résumé"]
NAMES = [
    "special tokens",
    "special tokens in text",
    "placeholders",
    "ids",
    "decomposed Hangul (NFD)",
    "decoding",
    "unknown eojeols",
    "josa boundaries",
    "dead entries",
    "unused slots",
    "vocabulary size",
    "files agree",
]
SETTINGS = TokenizerSettings(
    algorithm="morpheme",
    vocab_size=2048,
    min_frequency=1,
    min_word_count=1,
    unused=4,
    coverage=Coverage(syllables=0.999, jamo=1.0, hanja=0.9, latin=1.0, digits=1.0, symbols=1.0, emoji=0.8, other=0.5),
    gates=Gates(max_unknown=0.01, min_josa=0.9),
)
MEASURED = Measured(eojeols=1000, unknown_eojeols=10, josa_cases=200, josa_kept=180, dead=0)
Break = Callable[[Path], None]


def spelled(reserved: Sequence[str], unit: int = 64) -> list[str]:
    """`reserved` and the characters of LINES, filled up with unused slots to a multiple of `unit`."""
    words = {word for line in LINES for word in split_words(line)}
    singles = sorted({word[0] for word in words} | {"##" + character for word in words for character in word[1:]})
    vocabulary = [*reserved, *(piece for piece in singles if piece not in reserved)]
    spare = (number for number in range(SETTINGS.unused, 1000))
    while len(vocabulary) % unit:
        vocabulary.append(f"[unused{next(spare)}]")
    return vocabulary


VOCABULARY = spelled(reserved_entries(SETTINGS.unused))


def encoder(tokenizer: Tokenizer) -> Callable[[Sequence[str]], list[list[int]]]:
    def encode(lines: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch(list(lines), add_special_tokens=False)]

    return encode


@pytest.fixture
def built() -> Tokenizer:
    return build_tokenizer(VOCABULARY)


@pytest.fixture
def folder(built: Tokenizer, tmp_path: Path) -> Path:
    save_tokenizer(built, tmp_path)
    return tmp_path


def judged(folder: Path, tokenizer: Tokenizer, measured: Measured = MEASURED, **changed: object) -> dict[str, Gate]:
    settings = dataclasses.replace(SETTINGS, **changed)
    return {gate.name: gate for gate in run_gates(folder, encoder(tokenizer), settings, iter(LINES), measured)}


def failed(gates: dict[str, Gate]) -> set[str]:
    return {name for name, gate in gates.items() if not gate.passed}


def edit_json(path: Path, edit: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text("utf-8"))
    edit(content)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def test_a_good_folder_passes(folder: Path, built: Tokenizer) -> None:
    gates = judged(folder, built)
    assert list(gates) == NAMES and failed(gates) == set()
    lines = len(LINES) + len(ODD_LINES)
    assert gates["ids"].found == f"0 of {lines} lines differ"
    judged_lines = int(gates["decoding"].found.split()[2])
    assert len(LINES) < judged_lines < lines, "LINES hold no [UNK], some odd lines do"
    assert gates["files agree"].found == "0 ids differ" and gates["vocabulary size"].found == f"{len(VOCABULARY):,}"
    assert gates["unknown eojeols"].cells == (
        "unknown eojeols",
        "at most 1.000%",
        "1.000% (10 of 1,000) hold an [UNK]",
        "passed",
    )
    stop_if_failed(gates.values())


def bert_class(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", lambda config: config.update(tokenizer_class="BertTokenizer"))


def cased_bert_class(folder: Path) -> None:
    """transformers 5 makes the normaliser anew, without NFC."""
    cased = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": False}
    edit_json(folder / "tokenizer_config.json", lambda config: config.update(cased))


def rewriting_decoder(folder: Path) -> None:
    contract = {"type": "Replace", "pattern": {"String": " do not"}, "content": " don't"}

    def edit(content: dict) -> None:
        content["decoder"] = {"type": "Sequence", "decoders": [content["decoder"], {"type": "Fuse"}, contract]}

    edit_json(folder / "tokenizer.json", edit)


def no_types(folder: Path) -> None:
    edit_json(
        folder / "tokenizer_config.json",
        lambda config: config.update(model_input_names=["input_ids", "attention_mask"]),
    )


def not_framed(folder: Path) -> None:
    edit_json(folder / "tokenizer.json", lambda content: content.update(post_processor=None))


def no_mask_named(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", lambda config: config.pop("mask_token"))


def added_tokens(content: dict, *marks: str) -> list[dict]:
    return [token for token in content["added_tokens"] if token["content"] in marks]


def mask_is_plain_text(folder: Path) -> None:
    """What `transformers` does not add again, because the vocabulary names it: [MASK] is not looked for in text."""

    def edit(content: dict) -> None:
        content["added_tokens"].remove(*added_tokens(content, "[MASK]"))

    edit_json(folder / "tokenizer.json", edit)
    no_mask_named(folder)


def mask_stands_alone(folder: Path) -> None:
    """`single_word`: found only where no letter touches it."""

    def edit(content: dict) -> None:
        for token in added_tokens(content, "[MASK]", "[SEP]"):
            token["single_word"] = True

    edit_json(folder / "tokenizer.json", edit)


def special_placeholder(folder: Path) -> None:
    def edit(content: dict) -> None:
        for token in added_tokens(content, "[PHONE]"):
            token["special"] = True

    edit_json(folder / "tokenizer.json", edit)


def placeholder_broken_up(folder: Path) -> None:
    def edit(content: dict) -> None:
        content["added_tokens"].remove(*added_tokens(content, "[EMAIL]"))

    edit_json(folder / "tokenizer.json", edit)


def strip_accents(folder: Path) -> None:
    def edit(content: dict) -> None:
        content["normalizer"]["normalizers"][1]["strip_accents"] = True

    edit_json(folder / "tokenizer.json", edit)


def no_nfc(folder: Path) -> None:
    edit_json(folder / "tokenizer.json", lambda content: content["normalizer"]["normalizers"].pop(0))


def edited_listing(folder: Path) -> None:
    path = folder / "vocab.txt"
    lines = path.read_text("utf-8").split("\n")
    lines[40], lines[41] = lines[41], lines[40]
    path.write_text("\n".join(lines), "utf-8")


def line_lost(folder: Path) -> None:
    path = folder / "vocab.txt"
    path.write_text(path.read_text("utf-8").replace("##를\n", ""), "utf-8")


def swapped_ids(folder: Path) -> None:
    def edit(content: dict) -> None:
        ids = content["model"]["vocab"]
        ids["가"], ids["나"] = ids["나"], ids["가"]

    edit_json(folder / "tokenizer.json", edit)


@pytest.mark.parametrize(
    ("damage", "gates", "words"),
    [
        (bert_class, {"ids", "decoding"}, "where the trainer's are 이 ##순 ##신 ##은"),
        (cased_bert_class, {"decomposed Hangul (NFD)"}, "where composed are 이 ##순 ##신 ##은"),
        (rewriting_decoder, {"decoding"}, r"\"I do not know, it is n't so.\": \"I don't know"),
        (no_types, {"special tokens"}, "a pair is not framed"),
        (not_framed, {"special tokens"}, "a pair is not framed"),
        (no_mask_named, {"special tokens", "special tokens in text"}, r"\[MASK\] has id None"),
        (mask_is_plain_text, {"special tokens", "special tokens in text", "ids"}, r"\[MASK\] has id None"),
        (mask_stands_alone, {"special tokens in text", "ids"}, r"3 of 5 \(for example 가나\[SEP\]다라 becomes 가"),
        (special_placeholder, {"placeholders"}, r"8 of 9 \(for example \[PHONE\] is special"),
        (placeholder_broken_up, {"placeholders", "ids"}, r"8 of 9 \(for example 가나\[EMAIL\]다라 becomes 가"),
        (strip_accents, {"ids"}, "where the trainer's are"),
        (no_nfc, {"decomposed Hangul (NFD)"}, "where composed are"),
        (edited_listing, {"files agree"}, r"2 ids differ \(for example id 40: \S+ in vocab.txt, \S+ in tokenizer.json"),
        (line_lost, {"files agree"}, r"id \d+: ##름 in vocab.txt, ##를 in tokenizer.json"),
        (swapped_ids, {"files agree", "ids"}, "가 in vocab.txt, 나 in tokenizer.json, 나 in AutoTokenizer"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_folder_is_stopped(folder: Path, built: Tokenizer, damage: Break, gates: set[str], words: str) -> None:
    damage(folder)
    found = judged(folder, built)
    assert failed(found) == gates
    with pytest.raises(InputError, match=words) as stopped:
        stop_if_failed(found.values())
    lines = str(stopped.value).split("\n")
    assert len(lines) == 1 + len(failed(found)), "a line for each gate"
    assert all(len(line) < 500 for line in lines)


def test_accents_stripped_in_training_too(tmp_path: Path) -> None:
    """Both sides agree, and yet text is lost: only decoding shows it."""
    tokenizer = build_tokenizer(VOCABULARY)
    tokenizer.normalizer = normalizers.Sequence(
        [tokenizer.normalizer, normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]
    )
    save_tokenizer(tokenizer, tmp_path)
    found = judged(tmp_path, tokenizer)
    assert failed(found) == {"decoding"}
    assert found["decoding"].example == f"held-out line {len(LINES)} 'café와 résumé': 'cafe와 resume'"


def test_special_tokens_out_of_order(tmp_path: Path) -> None:
    built = build_tokenizer(VOCABULARY)
    content = json.loads(built.to_str())
    ids = content["model"]["vocab"]
    ids["[PAD]"], ids["[MASK]"] = ids["[MASK]"], ids["[PAD]"]
    for token in content["added_tokens"]:
        token["id"] = ids[token["content"]]
    swapped = Tokenizer.from_str(json.dumps(content))
    save_tokenizer(swapped, tmp_path)
    found = judged(tmp_path, swapped)
    assert failed(found) == {"special tokens"}
    assert found["special tokens"].found == "id 0 is [MASK] and [PAD] has id 4; id 4 is [PAD] and [MASK] has id 0"


def test_a_missing_placeholder(tmp_path: Path) -> None:
    reserved = [entry for entry in reserved_entries(SETTINGS.unused) if entry != "[URL]"]
    tokenizer = build_tokenizer(spelled(reserved))
    save_tokenizer(tokenizer, tmp_path)
    found = judged(tmp_path, tokenizer)
    assert failed(found) == {"placeholders"}
    assert found["placeholders"].found == f"{len(PLACEHOLDERS) - 1} of {len(PLACEHOLDERS)}"
    assert found["placeholders"].example == "there is no [URL]"


def test_size_and_unused_slots(tmp_path: Path) -> None:
    vocabulary = spelled([*SPECIAL_TOKENS, *PLACEHOLDERS.values(), "[unused0]"], unit=1)
    vocabulary = [*vocabulary, *(f"x{number}" for number in range(-len(vocabulary) % 64 + 1))]
    tokenizer = build_tokenizer(vocabulary)
    save_tokenizer(tokenizer, tmp_path)
    found = judged(tmp_path, tokenizer)
    assert failed(found) == {"vocabulary size", "unused slots"}
    size = len(vocabulary)
    assert found["vocabulary size"].message == (
        f"vocabulary size: {size:,}, wanted a multiple of 64; "
        f"set tokenizer.vocab_size to {size - 1} or give it more text"
    )
    assert found["unused slots"].message == (
        "unused slots: 1 (for example no [unused1]), wanted 4 or more; "
        "lower tokenizer.unused (4) or raise tokenizer.vocab_size"
    )


def test_held_out_lines_are_streamed(folder: Path, built: Tokenizer) -> None:
    """Lines are drawn as they are judged, so memory does not grow with their number."""
    honest = encoder(built)
    drawn = judged_lines = ahead = 0

    def lines() -> Iterator[str]:
        nonlocal drawn
        for number in range(5000):
            drawn += 1
            yield LINES[number % len(LINES)]

    def encode(batch: Sequence[str]) -> list[list[int]]:
        nonlocal judged_lines, ahead
        judged_lines += len(batch)
        ahead = max(ahead, drawn + len(ODD_LINES) - judged_lines, len(batch))
        return honest(batch)

    gates = {gate.name: gate for gate in run_gates(folder, encode, SETTINGS, lines(), MEASURED)}
    assert gates["ids"].found == f"0 of {5000 + len(ODD_LINES):,} lines differ"
    assert ahead <= 1000


def test_the_line_that_differs_is_named(folder: Path, built: Tokenizer) -> None:
    honest = encoder(built)

    def encode(lines: Sequence[str]) -> list[list[int]]:
        found = honest(lines)
        return [ids[:-1] if line == LINES[7] else ids for line, ids in zip(lines, found, strict=True)]

    gates = {gate.name: gate for gate in run_gates(folder, encode, SETTINGS, LINES, MEASURED)}
    assert failed(gates) == {"ids"}
    last = built.encode(LINES[7], add_special_tokens=False).tokens[-1]
    start = f"ids: 1 of {len(LINES) + len(ODD_LINES)} lines differ (for example held-out line 8 '{LINES[7][:39]}"
    assert gates["ids"].message.startswith(start)
    assert f"': {last} where the trainer's are nothing), wanted the trainer's ids" in gates["ids"].message


@pytest.mark.parametrize(
    ("measured", "name", "message"),
    [
        (
            dataclasses.replace(
                MEASURED,
                unknown_eojeols=11,
                unknown_examples=("가鿿", "👍🏽나", "k\u200bß", "漢字"),
                unknown_kinds=("emoji", "latin", "hanja"),
            ),
            "unknown eojeols",
            "unknown eojeols: 1.100% (11 of 1,000) hold an [UNK] (for example '가鿿', '👍🏽나', 'k\\u200bß', '漢字'), "
            "wanted at most 1.000%; raise tokenizer.coverage.emoji (0.8), tokenizer.coverage.hanja (0.9) or "
            "tokenizer.gates.max_unknown",
        ),
        (
            dataclasses.replace(MEASURED, unknown_eojeols=11),
            "unknown eojeols",
            "unknown eojeols: 1.100% (11 of 1,000) hold an [UNK], wanted at most 1.000%; "
            "raise tokenizer.gates.max_unknown",
        ),
        (
            dataclasses.replace(MEASURED, josa_kept=179, josa_examples=("학교에서", "나라를")),
            "josa boundaries",
            "josa boundaries: 89.50% (179 of 200) are boundaries of pieces (for example '학교에서', '나라를'), "
            "wanted at least 90.00%; lower tokenizer.gates.min_josa",
        ),
        (
            dataclasses.replace(MEASURED, dead=2, dead_examples=("##가나", "x" * 100)),
            "dead entries",
            f"dead entries: 2 (for example '##가나', '{'x' * 39}…'), wanted none; no recipe key mends this: "
            "install the versions in constraints.txt, and report it if it stays",
        ),
    ],
    ids=["unknown", "unknown without examples", "josa", "dead"],
)
def test_what_was_measured(folder: Path, built: Tokenizer, measured: Measured, name: str, message: str) -> None:
    found = judged(folder, built, measured)
    assert failed(found) == {name} and found[name].message == message
    with pytest.raises(InputError, match="is not published, it fails 1 of 12 gates:\n  " + name):
        stop_if_failed(found.values())


def test_shares_of_little_text_are_not_judged(folder: Path, built: Tokenizer) -> None:
    few = dataclasses.replace(MEASURED, eojeols=EOJEOL_FLOOR - 1, unknown_eojeols=EOJEOL_FLOOR - 1)
    gate = judged(folder, built, few)["unknown eojeols"]
    assert gate.passed and not gate.judged and gate.found == f"only {EOJEOL_FLOOR - 1} eojeols"
    few = dataclasses.replace(MEASURED, josa_cases=JOSA_FLOOR - 1, josa_kept=0)
    gate = judged(folder, built, few)["josa boundaries"]
    assert gate.passed and not gate.judged and gate.found == f"only {JOSA_FLOOR - 1} cases"
    none = dataclasses.replace(MEASURED, josa_cases=JOSA_FLOOR, josa_kept=0)
    gate = judged(folder, built, none, algorithm="wordpiece")["josa boundaries"]
    assert not gate.passed
    assert gate.remedy == 'set tokenizer.algorithm to "particle" or "morpheme", or lower tokenizer.gates.min_josa'


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
def test_a_folder_that_does_not_load(folder: Path, built: Tokenizer, name: str) -> None:
    (folder / name).unlink()
    found = judged(folder, built)
    assert list(found) == ["loading"] and not found["loading"].passed
    assert len(found["loading"].message.split("\n")) == 1


def test_odd_lines_are_odd() -> None:
    """The kinds of lines that the gates promise to try."""
    text = "".join(ODD_LINES)
    assert sum(len(line) >= 100_000 for line in ODD_LINES) == 2
    for kind in ("Ａ", "漢", "\u200d", "🏽", "🇰🇷", "\x00", "\u200b", "[MASK]", "[PHONE]으로", "ㅋ", "é"):
        assert unicodedata.normalize("NFC", kind) in unicodedata.normalize("NFC", text) or kind == "Ａ", kind
    assert "" in ODD_LINES and any(line and not line.strip() for line in ODD_LINES)
    text.encode()


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    program = "import sys, tokenizer.gates; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, cwd=REPOSITORY)
    assert run.stdout == "[]\n", run.stderr


OTHER_VERSION = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import transformers
from tokenizer.gates import Measured, run_gates
from tokenizer.settings import TokenizerSettings

given = json.loads(sys.stdin.read())
known = dict(zip(given["lines"], given["ids"], strict=True))
gates = run_gates(
    Path(sys.argv[1]),
    lambda lines: [known[line] for line in lines],
    TokenizerSettings(**given["settings"]),
    given["heldout"],
    Measured(**given["measured"]),
)
print(json.dumps({"version": transformers.__version__, "gates": [asdict(gate) for gate in gates]}))
"""
compile(OTHER_VERSION, "other version", "exec")


@pytest.mark.slow
def test_transformers_4_57_judges_alike(folder: Path, built: Tokenizer) -> None:
    other = REPOSITORY / ".compat"
    if not (other / "transformers").is_dir():
        pytest.skip("transformers 4.57 is not installed beside: run `make .compat/.installed`")
    lines = [*ODD_LINES, *LINES]
    given = {
        "lines": lines,
        "ids": encoder(built)(lines),
        "heldout": LINES,
        "settings": asdict(SETTINGS),
        "measured": asdict(MEASURED),
    }
    run = subprocess.run(
        [sys.executable, "-c", OTHER_VERSION, str(folder)],
        input=json.dumps(given),
        text=True,
        capture_output=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(other)},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["version"].startswith("4.57.")
    assert [Gate(**gate) for gate in found["gates"]] == list(judged(folder, built).values())
    assert all(gate["passed"] for gate in found["gates"])
