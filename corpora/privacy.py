"""Personal data in Korean text: found by shape, confirmed by check digits, dates and the words around, cut out.

What is found: registration numbers of residents and foreigners, passports, driver's licences, telephone numbers,
e-mail addresses, payment cards, bank accounts, IP addresses, and URLs that carry user data. What is not looked for:
names, postal addresses, birthdays, nicknames, profile pages. What stays on purpose: numbers of companies (business and
corporate registration, representative telephone numbers 15xx, 16xx, 18xx), which are published and name no person;
private, documentation and loopback IP addresses, and whole networks; plain URLs with the numbers in them; and what its
writer has masked, except registration numbers that still show the birth date.

A rule is a shape (`corpora.patterns`) and a judge. Rules are asked in the order of `_RULES`, the more specific first;
what one has found is blank for those after it. Words are looked for only a few syllables around a number, and never
beyond another datum.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from stdnum import luhn
from stdnum.exceptions import InvalidComponent
from stdnum.kr import rrn

from corpora import patterns
from corpora.patterns import BLANK, PLACEHOLDERS, TRIGGER, normalise

__all__ = ["PLACEHOLDERS", "Finding", "find_personal", "redact"]

#: A finding can free its neighbour (they were one chain of digits), so rules are asked again, but not for ever: a
#: hostile line could hold a chain as long as itself.
_PASSES = 4
#: Since then the last six digits of new numbers are drawn by lot, without a check digit.
_DRAWN_BY_LOT = date(2020, 10, 1)
#: Born after this is not born: no clock is read, so that the answer depends on the text alone.
_LAST_BIRTH = date(2029, 12, 31)

_Match = re.Match[str]
_Judge = Callable[[_Match], bool]


@dataclass(frozen=True)
class Finding:
    """A personal datum: its kind (a key of PLACEHOLDERS) and its place, `text[start:end]`."""

    kind: str
    start: int
    end: int


def find_personal(text: str) -> list[Finding]:
    """Personal data in a cleaned paragraph, in order, not overlapping. Time is linear in the length.

    >>> find_personal("문의는 010-1234-5678로 주세요.")
    [Finding(kind='phone', start=4, end=17)]
    """
    if TRIGGER.search(text) is None:
        return []
    view = normalise(text)
    findings: list[Finding] = []
    for _ in range(_PASSES):
        before = len(findings)
        for kind, shape, judge in _RULES:
            hidden: list[tuple[int, int, str]] = []
            for match in shape.finditer(view):
                start, end = match.span("datum" if "datum" in shape.groupindex else 0)
                personal = judge(match)
                if personal:
                    findings.append(Finding(kind, start, end))
                # A plain URL is hidden too: the numbers in it are names of pages.
                if personal or (kind == "url" and not patterns.NUMBER_IN_URL.search(match.group())):
                    hidden.append((start, end, BLANK * (end - start)))
            if hidden:
                view = _replace(view, hidden)
        if len(findings) == before:
            break
    return sorted(findings, key=lambda finding: finding.start)


def redact(text: str) -> tuple[str, Counter[str]]:
    """The text with a placeholder for each finding, and how many of each kind; the same object if there is none.

    >>> redact("hong@example.com 또는 010-1234-5678")
    ('[EMAIL] 또는 [PHONE]', Counter({'email': 1, 'phone': 1}))
    """
    # Asked here too: most lines end here, and two calls cost as much as the search.
    if TRIGGER.search(text) is None or not (findings := find_personal(text)):
        return text, Counter()
    cut = _replace(text, [(finding.start, finding.end, PLACEHOLDERS[finding.kind]) for finding in findings])
    return cut, Counter(finding.kind for finding in findings)


def _replace(text: str, spans: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    place = 0
    for start, end, put in spans:
        pieces += (text[place:start], put)
        place = end
    pieces.append(text[place:])
    return "".join(pieces)


def _before(match: _Match, reach: int) -> str:
    """What stands before a match, up to `reach` characters, not beyond another datum."""
    start = match.start()
    return match.string[max(0, start - reach) : start].rpartition(BLANK)[2]


def _after(match: _Match, reach: int) -> str:
    end = match.end()
    return match.string[end : end + reach].partition(BLANK)[0]


def _digits(match: _Match) -> str:
    return "".join(filter(str.isdecimal, match.group()))


def _is_glued(match: _Match) -> bool:
    """Letters at its edge make an unbroken number a code."""
    return re.search("[A-Za-z_]", _before(match, 1) + _after(match, 1)) is not None


def _always(match: _Match) -> bool:
    return True


def _birth(number: str) -> date | None:
    try:
        birth = rrn.get_birth_date(number)
    except InvalidComponent:
        return None
    return birth if birth <= _LAST_BIRTH else None


def _has_check_digit(number: str) -> bool:
    """Residents: (11 - s % 11) % 10. Foreigners (seventh digit 5 to 8): (13 - s % 11) % 10, which is 2 more.

    The library knows the residents' rule only; the foreigners' is the one that Microsoft Presidio's KR_FRN uses.
    """
    expected = int(rrn.calc_check_digit(number[:12]))
    return int(number[12]) == ((expected + 2) % 10 if number[6] in "5678" else expected)


def _is_corporation(number: str) -> bool:
    """Corporate numbers have the same shape: office (4), type (2), serial (6), check digit of weights 1, 2, 1, 2 ..."""
    total = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(number[:12]))
    typed = number[4:6] in ("11", "12", "13", "14", "15", "21", "22")
    return "11" <= number[:2] <= "22" and typed and (10 - total % 10) % 10 == int(number[12])


def _is_registration(match: _Match) -> bool:
    number = match[1] + match[3]
    birth = _birth(number)
    if birth is None or (match[2] == "" and _is_glued(match)):
        return False
    before = _before(match, 20)
    if patterns.RESIDENT.search(before):
        return True
    if patterns.CORPORATION.search(before):
        return False
    if _has_check_digit(number):
        return True
    # Nobody born before 1900 has a number drawn by lot.
    if number[6] in "90" or _is_corporation(number):
        return False
    # Six digits, hyphen, seven digits, a birth date in front: hardly anything else is written so. The check digit
    # decides nothing there, for numbers given or changed since October 2020 have none, whatever the birth date.
    return match[2] not in ("", " ") or birth >= _DRAWN_BY_LOT


def _is_masked_registration(match: _Match) -> bool:
    """The birth date is left to see, so it is personal."""
    century = match[2][0]
    return _birth(match[1] + (century if century.isdecimal() else "1")) is not None


def _is_half_registration(match: _Match) -> bool:
    around = _before(match, 20) + BLANK + _after(match, 20)
    return bool(patterns.RESIDENT.search(around)) and _birth(match[1] + match[2]) is not None


def _named(words: re.Pattern[str], reach: int) -> _Judge:
    """One of the words stands at most `reach` characters before."""
    return lambda match: bool(words.search(_before(match, reach)))


def _is_passport(match: _Match) -> bool:
    # S20190101 is a code made of a day.
    return not patterns.DATE.match(match.group()[1:]) and not patterns.PRODUCT.search(_before(match, 12))


def _is_named_passport(match: _Match) -> bool:
    words = patterns.PASSPORT_NUMBER if match.group().isdecimal() else patterns.PASSPORT_WORD
    return bool(words.search(_before(match, 20)))


def _is_card(match: _Match) -> bool:
    number = _digits(match)
    if number[0] == "2" and not "2221" <= number[:4] <= "2720":
        return False
    return luhn.is_valid(number) or bool(patterns.CARD_WORD.search(_before(match, 12)))


def _is_mobile(match: _Match) -> bool:
    text = match.group()
    if not text.isdecimal():
        return True
    # Unbroken: as long as such numbers are, glued to no letter, and no row of noughts and ones.
    return not _is_glued(match) and len(text) >= (11 if text.startswith("010") else 10) and not set(text) <= {"0", "1"}


def _is_international(match: _Match) -> bool:
    return 9 <= len(_digits(match)) <= 16


def _is_account(match: _Match) -> bool:
    """No account has a check digit that banks tell, so words decide: a bank, or money, and no nearer other number."""
    number = _digits(match)
    if not 10 <= len(number) <= 16 or any(shape.match(match.group()) for shape in (patterns.DATE, patterns.NO_ACCOUNT)):
        return False
    if patterns.BANK_BEFORE.search(_before(match, 12)) or patterns.BANK_AFTER.match(_after(match, 12)):
        return True
    before = _before(match, 24)
    money = [word.end() for word in patterns.MONEY.finditer(before)]
    other = [word.end() for word in patterns.OTHER_NUMBER.finditer(before)]
    if other and other[-1] > (money[-1] if money else 0):
        return False
    return bool(money) or bool(patterns.MONEY.search(_after(match, 16)))


def _public(match: _Match) -> list[int]:
    """The bytes of an IP address that can lead to somebody; none if it is private, for documentation or no address."""
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return []
    return list(address.packed) if address.is_global else []


def _is_ip4(match: _Match) -> bool:
    octets, before = _public(match), _before(match, 16)
    if not octets or patterns.VERSION.search(before) or patterns.VERSION.search(_after(match, 8)):
        return False
    # Without a word for it: sections and small versions (3.2.1.4) and lists of years (91.93.96.97) look the same.
    plain = max(octets) < 100 and (octets[0] < 32 or octets == sorted(octets))
    return bool(patterns.NETWORK.search(before)) or not plain


def _is_ip6(match: _Match) -> bool:
    # 2000::/3 is what is given out.
    return any(byte >> 5 == 1 for byte in _public(match)[:1])


def _is_address(match: _Match) -> bool:
    """Not `git@host:path`, which is the same for everyone."""
    return not (match.group().startswith("git@") and _after(match, 1) in (":", "/"))


def _is_personal_url(match: _Match) -> bool:
    url = match.group()
    rest = url.partition("://")[2] or url
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user = authority.rpartition("@")[0]
    inside = patterns.ADDRESS_IN_URL.search(rest, len(authority))
    return bool(user not in ("", "git") or inside or patterns.URL_KEYS.search(url))


_RULES: tuple[tuple[str, re.Pattern[str], _Judge], ...] = (
    ("url", patterns.URL, _is_personal_url),
    ("email", patterns.EMAIL, _is_address),
    ("email", patterns.HIDDEN_EMAIL, _always),
    ("ip", patterns.IP6, _is_ip6),
    ("registration", patterns.REGISTRATION, _is_registration),
    ("registration", patterns.MASKED_REGISTRATION, _is_masked_registration),
    ("registration", patterns.HALF_REGISTRATION, _is_half_registration),
    ("card", patterns.GROUPED_CARD, _is_card),
    ("card", patterns.PLAIN_CARD, lambda match: luhn.is_valid(match.group())),
    ("licence", patterns.LICENCE, _always),
    ("licence", patterns.LOOSE_LICENCE, _named(patterns.LICENCE_WORD, 20)),
    ("licence", patterns.OLD_LICENCE, _always),
    ("phone", patterns.KOREA, _is_international),
    ("phone", patterns.MOBILE, _is_mobile),
    ("phone", patterns.SPACED_MOBILE, _always),
    ("phone", patterns.LAND, _always),
    ("phone", patterns.ABROAD, _is_international),
    ("phone", patterns.UNBROKEN_LAND, _named(patterns.CALL, 12)),
    ("phone", patterns.LOCAL, _always),
    ("passport", patterns.PASSPORT, _is_passport),
    ("passport", patterns.NAMED_PASSPORT, _is_named_passport),
    ("ip", patterns.IP4, _is_ip4),
    ("account", patterns.ACCOUNT, _is_account),
)
