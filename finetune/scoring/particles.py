"""What a Korean answer is without its josa: 이순신은 is 이순신, but 국가 is not 국 (after ㄱ it would be 이).

No analyser: it would cut the same word differently in answer and truth. A josa is taken off only if it has the form
that what remains asks for (`probes.particles`). That alone cannot tell 휴가 (vacation) from 휴 and 가; so nothing is
replaced, each way to read an answer stands beside the others, and two answers agree if some reading of one is some
reading of the other. A wrong reading does harm only where a word and that word with a josa are answers to the same
question.

Left out are 도 and 만, in which many names end (제주도, 대만), vocatives, and endings of the copula.
"""

from __future__ import annotations

from probes.particles import ALTERNATIONS, last_sound

#: Forms that go with some sounds only; those of a former copula (이나, 이란) are left out: 하나, 대란.
_FORMS = {
    form: found
    for found in ALTERNATIONS
    if not found.stem and "JKV" not in found.tags
    for form in (found.after_consonant, found.after_vowel)
}
#: Josa of one form.
_SINGLE = frozenset(
    {
        "의",
        "에",
        "에서",
        "에게",
        "에게서",
        "한테",
        "한테서",
        "께",
        "께서",
        "까지",
        "부터",
        "보다",
        "처럼",
        "마다",
        "조차",
        "마저",
        "밖에",
        "에서부터",
    }
)
_LONGEST = max(map(len, (*_FORMS, *_SINGLE)))
#: 서울에서부터는 ends in a row of josa; none is longer than this here.
_ROW = 3


def readings(text: str) -> tuple[str, ...]:
    """`text` itself, and what it is without the josa at its end, one of a row after the other.

    >>> readings("이순신은"), readings("국가"), readings("부산에서는")
    (('이순신은', '이순신'), ('국가',), ('부산에서는', '부산에서', '부산'))
    """
    found = [text]
    todo = [text]
    for _ in range(_ROW):
        todo = [shorter for longer in todo for shorter in _without(longer) if shorter not in found]
        found += dict.fromkeys(todo)
    return tuple(found)


def _without(text: str) -> list[str]:
    """`text` without each josa that it may end in; a josa may stand apart where a mark was deleted before it."""
    found = []
    for length in range(1, min(_LONGEST, len(text) - 1) + 1):
        noun, form = text[:-length].rstrip(), text[-length:]
        sound = last_sound(noun.split()[-1]) if noun else None
        if form in _SINGLE:
            fits = noun[-1:].isalnum()
        else:
            fits = form in _FORMS and sound is not None and _FORMS[form].form(sound) == form
        if fits:
            found.append(noun)
    return found
