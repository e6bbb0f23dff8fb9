"""Where morphemes meet: by hand, by the real analyser, and the same whatever else is analysed."""

import random
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import pytest
import regex

from pipeline.executor import HERE, Workers, worker_pool
from tests.conftest import REPOSITORY
from tokenizer.morphemes import Morpheme, analyse, boundaries, particle_boundaries, split_words_apart
from tokenizer.words import count_batch


def listed(text: str) -> list[Morpheme]:
    """`NNG 0 2, JKB 2 4` as morphemes."""
    rows = [row.split() for row in text.split(",") if row.strip()]
    return [Morpheme(tag, int(start), int(end)) for tag, start, end in rows]


def cut(word: str, places: Sequence[int]) -> str:
    return "|".join(word[start:end] for start, end in pairwise((0, *places, len(word))))


@pytest.mark.parametrize(
    ("morphemes", "every", "particles"),
    [
        ("", (), ()),
        ("NNG 0 2", (), ()),
        ("NNG 0 2, JKB 2 4", (2,), (2,)),  # 학교에서
        ("NNG 0 2, JKB 2 4, JX 4 5", (2, 4), (2,)),  # 학교에서는
        ("NNG 0 1, JKB 1 3, JX 3 4, JX 4 5", (1, 3, 4), (1,)),  # 집에서만은
        ("JKB 0 2, JX 2 3", (2,), ()),  # 에서는, cut off from its noun by a mark
        ("VV 0 1, EP 0 1, EF 1 2", (1,), ()),  # 했다: 하 and 었 share a syllable
        ("VV 0 1, EP 0 1, EC 1 3, JX 3 4", (1, 3), (3,)),  # 갔다가는
        ("VV 0 1, ETN 1 2, JKB 2 3", (1, 2), (2,)),  # 읽기에
        ("VA 0 2, EC 2 4, JX 4 5", (2, 4), (4,)),  # 예쁘다고는
        ("NNG 0 2, VCP 2 3, EF 3 4", (2, 3), ()),  # 사람이다: the copula is no particle
        ("NP 0 1, JX 0 1", (), ()),  # 난
        ("NNB 0 1, JKS 0 1, JX 1 2", (1,), ()),  # 게도: its particles begin within 게
        ("NNG 0 2, JKB 2 4, JX 3 4", (2,), (2,)),  # 학교에선
        ("NNG 0 1, JKS 1 2, NNG 2 3, JKO 3 4", (1, 2, 3), (1, 3)),  # 물이불을
        ("NNG 0 4, XSV 1 2, EP 2 3, JX 4 5", (4,), (4,)),  # the first goes on below those that follow
        ("NNG 0 2, VCP 2 2, JX 2 3", None, (2,)),  # a zero-length copula in between
        ("NNG 0 1, VV 1 2, VCP 2 2, EC 2 3, JX 3 4", None, (3,)),
    ],
)
def test_boundaries_by_hand(morphemes: str, every: tuple[int, ...] | None, particles: tuple[int, ...]) -> None:
    assert every is None or boundaries(listed(morphemes)) == every
    assert particle_boundaries(listed(morphemes)) == particles


@pytest.mark.parametrize(
    ("morphemes", "every"),
    [
        ("NNB 0 1, VCP 1 1, EF 1 2", (1,)),  # 거야
        ("NNG 0 2, VCP 2 2, EC 2 4", (2,)),  # 친구라고
        ("VV 0 1, EC 1 3, VX 3 3, ETM 3 4", (1, 3)),  # 먹으려는
        ("NNG 0 2, XSV 2 3, EC 3 4, VX 4 4, EF 3 4", (2, 3)),  # 이해하려: 4 is the word's end
        ("VV 0 1, EC 0 2, VV 2 2, EC 1 3", ()),  # 안대도: the last one goes on over 2
    ],
)
def test_boundaries_of_zero_length_morphemes(morphemes: str, every: tuple[int, ...]) -> None:
    assert boundaries(listed(morphemes)) == every


@pytest.mark.parametrize(
    ("every", "particles"),
    [
        ("학교|에서", "학교|에서"),
        ("학교|에서|는", "학교|에서는"),
        ("집|에서|만|은", "집|에서만은"),
        ("책|을", "책|을"),
        ("하늘|은", "하늘|은"),
        ("갔|다", "갔다"),
        ("했|다", "했다"),
        ("먹|었|다", "먹었다"),
        ("갔|다가|는", "갔다가|는"),
        ("읽|기|에", "읽기|에"),
        ("사람|이|다", "사람이다"),
        ("난", "난"),
        ("나무", "나무"),
        ("漢字", "漢字"),
        ("ㅋㅋㅋ", "ㅋㅋㅋ"),
        ("👍|에서|는", "👍|에서는"),
        ("𠮷|은", "𠮷|은"),
    ],
)
def test_plain_words(every: str, particles: str) -> None:
    word = every.replace("|", "")
    morphemes = next(analyse([word]))
    assert (cut(word, boundaries(morphemes)), cut(word, particle_boundaries(morphemes))) == (every, particles)


@pytest.mark.parametrize("word", ["거야", "친구라고", "이해하려"])
def test_places_rise_and_lie_within_the_word(word: str) -> None:
    places = boundaries(next(analyse([word])))
    assert list(places) == sorted({*places} & {*range(1, len(word))})


@pytest.fixture(scope="module")
def words() -> list[str]:
    """The distinct words of three shipped texts."""
    texts = [
        (REPOSITORY / "corpora" / "sample" / f"{name}.txt").read_text("utf-8") for name in ("food", "arts", "sport")
    ]
    found = sorted(count_batch("\n".join(texts).split("\n")))
    assert len(found) > 3000
    return found


@pytest.mark.parametrize("particles_alone", [True, False])
def test_neither_order_nor_company_nor_batches_matter(
    words: list[str], particles_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = split_words_apart(words, HERE, particles_alone)
    assert places.keys() <= set(words) and 0.2 < len(places) / len(words) < 0.9
    find = particle_boundaries if particles_alone else boundaries
    assert all(places.get(word, ()) == find(next(analyse([word]))) for word in words[::20]), "one by one"
    assert split_words_apart(words[::-1], HERE, particles_alone) == places
    monkeypatch.setattr("tokenizer.morphemes._BATCH", 97)
    shuffled = random.Random(0).sample(words, len(words))
    assert split_words_apart(shuffled, HERE, particles_alone) == places
    some = set(shuffled[:500])
    assert split_words_apart(iter(some), HERE, particles_alone) == {w: places[w] for w in some & places.keys()}
    assert split_words_apart([], HERE, particles_alone) == {}


def test_those_before_particles_are_among_all(words: list[str]) -> None:
    done: list[float] = []
    every = split_words_apart(words, HERE, False, done.append)
    particles = split_words_apart(words, HERE, True)
    assert sum(done) == len(words)
    assert len(particles) < len(every)
    assert all(set(places) <= set(every[word]) for word, places in particles.items())


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [split_words_apart(words, HERE, particles) for particles in (True, False)]
    monkeypatch.setattr("tokenizer.morphemes._BATCH", 301)  # a dozen batches, so that both get some
    with worker_pool(Workers(2)) as pool:
        shared = [split_words_apart(words, pool, particles) for particles in (True, False)]
    assert shared == alone
    assert [list(places) for places in shared] == [list(places) for places in alone], "in the order of the words"


ODD = (
    "",
    "👩‍💻",
    "👨‍👩‍👧‍👦",
    "👍🏽",
    "🇰🇷",
    "1️⃣",
    "ㅋㅋㅋㅋ",
    "ㅠ",
    "ﾡﾂ",
    "ᄒᆞᆫ글",
    "나랏말ᄊᆞ미",
    "大韓民國",
    "樂",
    "𠮷",
    "뷁힣",
    "\x00",
    "가\x00나",
    "\x1b[0m",
    "\u200b",
    "너비\u200b없는",
    "가\u0301",
    "é",
    "e\u0301",
    "\ufffd",
    "\U0010ffff",
    "\ue000",
    "[MASK]",
)
LONG = ("가" * 1000, "학교에서" * 250, "가1a漢👍ㅋ" * 160, "a" * 1000, "😀" * 300, "\ud7b0" * 2)
ENDINGS = ("", "은", "에서는", "했다", "ㅋㅋ")


def odd_words() -> list[str]:
    """Composed, as words are that a vocabulary is learned from."""
    plain = [*LONG, *(word + "에서는" for word in LONG), *(front + end for front in ODD for end in ENDINGS)]
    generator = random.Random(0)
    mixed = ["".join(generator.choices([*ODD, *ENDINGS, "학교", "먹", "3"], k=4)) for _ in range(300)]
    return [word for word in dict.fromkeys(unicodedata.normalize("NFC", word) for word in (*plain, *mixed)) if word]


@pytest.mark.parametrize("particles_alone", [True, False])
def test_odd_words_are_cut_within_and_between_characters(particles_alone: bool) -> None:
    words = odd_words()
    places = split_words_apart(words, HERE, particles_alone)
    assert set(places) <= set(words) and len(places) > 50
    for word, found in places.items():
        assert list(found) == sorted({*found} & {*range(1, len(word))}), ascii(word)
        whole = {character.end() for character in regex.finditer(r"\X", word)}
        within = [place for place in found if place not in whole]
        # A mark that composes with no letter is a morpheme of its own, and never a particle.
        assert not within or not particles_alone, ascii(word)
        assert all(unicodedata.category(word[place]) in ("Mn", "Me") for place in within), ascii(word)


def test_decomposed_syllables_are_not_cut() -> None:
    words = [unicodedata.normalize("NFD", word) for word in ("학교에서는", "먹었다", "1층에서는", "각은")]
    for word, found in split_words_apart(words, HERE, False).items():
        assert unicodedata.normalize("NFC", word) == "".join(
            unicodedata.normalize("NFC", part) for part in cut(word, found).split("|")
        )


def test_characters_outside_the_basic_plane_count_once() -> None:
    """The analyser works in UTF-16 within."""
    for front in ("😀", "𠮷", "😀😀😀", "가😀나😀"):
        for end in ("는", "에서"):
            word = f"{front}학교{end}"
            assert split_words_apart([word], HERE, True)[word][-1] == len(front) + 2, word
