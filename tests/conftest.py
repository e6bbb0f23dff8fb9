"""What tests share: one thread a process (they run in parallel), a small corpus and vocabulary made once."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from pathlib import Path

import hypothesis
import pytest

from corpora.build import build_corpus
from corpora.document import read_documents, shards
from corpora.settings import CorpusSettings
from corpora.sources.names import SAMPLE, Source, find_sources
from pipeline.executor import Workers
from pretrain.examples import build_examples
from pretrain.settings import ExamplesSettings
from tokenizer.settings import Coverage, Gates, TokenizerSettings
from tokenizer.train import train_tokenizer

# Machines are shared and compiled functions are slow once: no test fails for its time.
hypothesis.settings.register_profile("hanbeot", deadline=None)
hypothesis.settings.load_profile("hanbeot")

REPOSITORY = Path(__file__).resolve().parent.parent

CORPUS = CorpusSettings(
    layout="auto",
    encoding="utf-8",
    errors="stop",
    text_field="text",
    min_chars=1,
    max_chars=2000,
    min_hangul=0.0,
    max_repeats=0,
    boilerplate=[],
    privacy="keep",
    sentence_copies=0,
    duplicate_documents=0.0,
    held_out=0.05,
    shard_megabytes=1,
    seed=0,
    dump_mirror="http://127.0.0.1:1",
)
EVERY_CHARACTER = Coverage(syllables=1.0, jamo=1.0, hanja=1.0, latin=1.0, digits=1.0, symbols=1.0, emoji=1.0, other=1.0)
TOKENIZER = TokenizerSettings(
    algorithm="wordpiece",
    vocab_size=3008,
    min_frequency=2,
    min_word_count=1,
    unused=4,
    coverage=EVERY_CHARACTER,
    gates=Gates(max_unknown=1.0, min_josa=0.0),
)
EXAMPLES = ExamplesSettings(
    block_size=32,
    objective="nsp",
    short_seq_probability=0.1,
    nsp_probability=0.5,
    random_segments="text",
    duplicate_epochs=0,
    seed=0,
)


def sources(*names: object, settings: CorpusSettings = CORPUS) -> list[Source]:
    """The files that `names` stand for, nothing fetched."""
    return find_sources([str(name) for name in names], settings, Path("no-downloads"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first in each worker's share, the two longest groups in shares of their own: so that all end together.

    With `--dist worksteal` a worker begins with an equal share of the list, one after another; what it has not come to
    is taken from it from the end.
    """
    groups: dict[str, list[pytest.Item]] = {"fact": [], "roads": []}
    quick: list[pytest.Item] = []
    for item in items:
        if item.get_closest_marker("slow") is None:
            quick.append(item)
        elif item.path.name == "test_road.py":
            groups["fact" if "learns_the_fact" in item.name else "roads"].append(item)
        else:  # files stay together: their tests share what is made once
            groups.setdefault(item.path.name, []).append(item)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    heads: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, group in enumerate(groups.values()):
        heads[number % workers] += group
    ordered: list[pytest.Item] = []
    for number, head in enumerate(heads):
        size = (len(items) - len(ordered)) // (workers - number)
        fill = max(0, size - len(head))
        ordered += [*head, *quick[:fill]]
        del quick[:fill]
    items[:] = [*ordered, *quick]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def sample_corpus(shared: Path) -> Path:
    """The corpus artifact of the sample that ships. One worker makes it, the others wait for its lock."""
    build_corpus(sources(SAMPLE), CORPUS, shared / "corpus", Workers())
    return shared / "corpus"


@pytest.fixture(scope="session")
def sample_tokenizer(shared: Path, sample_corpus: Path) -> Path:
    """A vocabulary of the sample."""
    train_tokenizer(sample_corpus, TOKENIZER, shared / "tokenizer", Workers())
    return shared / "tokenizer"


@pytest.fixture(scope="session")
def sample_examples(shared: Path, sample_corpus: Path, sample_tokenizer: Path) -> Path:
    """Examples of the sample."""
    build_examples(sample_corpus, sample_tokenizer, EXAMPLES, shared / "examples")
    return shared / "examples"


@pytest.fixture(scope="session")
def exported(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a run of a few steps, beside the run (`pretrain/t`)."""
    from pretrain.export import export_run
    from pretrain.train import main
    from tests.pretrain.test_train import arguments

    root = tmp_path_factory.mktemp("exported")
    main(arguments(sample_examples, root))
    export_run(root / "pretrain" / "t", root / "export")
    return root / "export"


@pytest.fixture(scope="session")
def held_out_lines(sample_corpus: Path) -> list[str]:
    """Held-out sentences of the sample."""
    return [line for document in read_documents(shards(sample_corpus, "heldout")) for line in document]


@pytest.fixture
def write(tmp_path: Path):
    """`write("a.txt", text_or_bytes)` -> path in the test's own folder."""

    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put
