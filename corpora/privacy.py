"""Personal data in Korean text: found by shape, confirmed by check digits, dates and the words around, cut out.

What is found: registration numbers of residents and foreigners, passports, driver's licences, telephone numbers,
e-mail addresses, payment cards, bank accounts, IP addresses, and URLs that carry user data. What is not looked for:
names, postal addresses, birthdays, nicknames; numbers of companies (business and corporate registration, representative
telephone numbers 15xx, 16xx, 18xx), which are published by law or by the company and name no person.

A rule is a shape (`corpora.patterns`) and a judge. Rules are asked in the order of `_RULES`; what one has found is blank
for those after it. Words are looked for only a few syllables around a number, and never beyond another datum.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from stdnum import luhn
from stdnum.exceptions import InvalidComponent
from stdnum.kr import rrn

from corpora import patterns
from corpora.patterns import BLANK, TRIGGER, normalise

#: kind -> placeholder, kept whole by the tokenizer
PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "registration": "[REGISTRATION]",
        "passport": "[PASSPORT]",
        "licence": "[LICENCE]",
        "phone": "[PHONE]",
        "email": "[EMAIL]",
        "card": "[CARD]",
        "account": "[ACCOUNT]",
        "ip": "[IP]",
        "url": "[URL]",
    }
)
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
            hidden: list[tuple[int, int]] = []
            for match in shape.finditer(view):
                span = match.span("datum") if "datum" in shape.groupindex else match.span()
                if judge(match):
                    findings.append(Finding(kind, *span))
                    hidden.append(span)
                elif kind == "url":
                    # The numbers in a plain address are names of pages.
                    hidden.append(span)
            if hidden:
                view = _blank(view, hidden)
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
    pieces: list[str] = []
    place = 0
    for finding in findings:
        pieces += (text[place : finding.start], PLACEHOLDERS[finding.kind])
        place = finding.end
    pieces.append(text[place:])
    return "".join(pieces), Counter(finding.kind for finding in findings)


def _blank(view: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    place = 0
    for start, end in spans:
        pieces += (view[place:start], BLANK * (end - start))
        place = end
    pieces.append(view[place:])
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


def _always(match: _Match) -> bool:
    return True


# ---- registration numbers

_RESIDENT = re.compile(r"주민|외국인|거소")
_CORPORATE = re.compile(r"법인")
_CORPORATE_TYPES = ("11", "12", "13", "14", "15", "21", "22")


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
    office, kind = number[:2], number[4:6]
    return "11" <= office <= "22" and kind in _CORPORATE_TYPES and (10 - total % 10) % 10 == int(number[12])


def _is_registration(match: _Match) -> bool:
    number = match[1] + match[3]
    birth = _birth(number)
    if birth is None:
        return False
    if _has_check_digit(number):
        return True
    before = _before(match, 20)
    if _RESIDENT.search(before):
        return True
    # Nobody born before 1900 has a number drawn by lot.
    if number[6] in "90" or _CORPORATE.search(before) or _is_corporation(number):
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
    return bool(_RESIDENT.search(around)) and _birth(match[1] + match[2]) is not None


# ---- passports, licences, cards

_PASSPORT = re.compile(r"여권|passport", re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)[0-4][0-9]([-. ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])(?:\1|$)")
_PASSPORT_NUMBER = re.compile(r"여권 ?번호|passport n", re.IGNORECASE)
_PRODUCT = re.compile(r"품번|모델|제품|부품|도면|특허|시리얼|코드|학번|일련")
_LICENCE = re.compile(r"면허")
_CARD = re.compile(r"카드")


def _is_passport(match: _Match) -> bool:
    # S20190101 is somebody's file of that day.
    return not _DATE.match(match.group()[1:]) and not _PRODUCT.search(_before(match, 12))


def _is_named_passport(match: _Match) -> bool:
    words = _PASSPORT_NUMBER if match.group().isdecimal() else _PASSPORT
    return bool(words.search(_before(match, 20)))


def _is_licence(match: _Match) -> bool:
    return match[1].strip() == "-" or bool(_LICENCE.search(_before(match, 20)))


def _is_card(match: _Match) -> bool:
    number = _digits(match)
    if number[0] == "2" and not "2221" <= number[:4] <= "2720":
        return False
    return luhn.is_valid(number) or bool(_CARD.search(_before(match, 12)))


def _is_plain_card(match: _Match) -> bool:
    return luhn.is_valid(match.group())


# ---- telephones

_GLUED = re.compile(r"[A-Za-z_]")
_CALL = re.compile(r"전화|연락|문의|팩스|번호|상담|예약|[☎☏📞]|tel|fax|call|phone", re.IGNORECASE)


def _is_mobile(match: _Match) -> bool:
    text = match.group()
    if not text.isdecimal():
        return True
    # Unbroken: as long as such numbers are, glued to no letter, and no row of noughts and ones.
    glued = _GLUED.match(_before(match, 1)) or _GLUED.match(_after(match, 1))
    return not glued and len(text) >= (11 if text.startswith("010") else 10) and not set(text) <= {"0", "1"}


def _is_spaced_mobile(match: _Match) -> bool:
    return not set(_digits(match)) <= {"0", "1"}


def _is_abroad(match: _Match) -> bool:
    return 9 <= len(_digits(match)) <= 15


def _is_korea(match: _Match) -> bool:
    return 10 <= len(_digits(match)) <= 16


def _is_called(match: _Match) -> bool:
    return bool(_CALL.search(_before(match, 12)))


# ---- accounts

_BANK = (
    r"(?:국민|신한|우리|하나|기업|제일|씨티|산업|대구|부산|광주|전북|경남|제주|저축|외환|조흥|한일|상업)은행"
    r"|카카오뱅크|카뱅|토스뱅크|케이뱅크|케뱅|농협|수협|신협|축협|새마을금고|우체국|\b(?:KB|NH|IBK|KEB|SC|DGB|BNK|iM)"
)
_MONEY = re.compile(rf"{_BANK}|계좌|예금주|입금|송금|이체|통장")
_BANK_BEFORE = re.compile(
    rf"(?:{_BANK}|(?<![가-힣])(?:국민|신한|우리|하나|기업|제일|씨티|산업|대구|부산|광주|전북|경남|제주|카카오|토스))[ :(]{{0,3}}$"
)
_BANK_AFTER = re.compile(rf"[ (]{{0,2}}(?:{_BANK}|(?:국민|신한|우리|하나|기업|제일|씨티|대구|부산|카카오|토스)(?![가-힣]))")
_OTHER_NUMBER = re.compile(r"사업자|법인|등록|전화|팩스|주문|송장|접수|승인|예약|사건|허가|품번|모델")
_ROUND = re.compile(r"[0-9]+00000$")


def _is_account(match: _Match) -> bool:
    number = _digits(match)
    if not 10 <= len(number) <= 16 or _DATE.match(match.group()) or _ROUND.match(match.group()):
        return False
    if _BANK_BEFORE.search(_before(match, 12)) or _BANK_AFTER.match(_after(match, 12)):
        return True
    before = _before(match, 24)
    other = [other.end() for other in _OTHER_NUMBER.finditer(before)]
    money = [money.end() for money in _MONEY.finditer(before)]
    if other and other[-1] > (money[-1] if money else 0):
        return False
    return bool(money) or bool(_MONEY.search(_after(match, 16)))


# ---- addresses

_NETWORK = re.compile(r"\bip|아이피|접속|차단|로그인|서버|ping|핑|호스트", re.IGNORECASE)
_VERSION = re.compile(r"버전|버젼|\bver|version|펌웨어|릴리[스즈]|빌드|업데이트|DNS|네임서버|제$|§|\bEC ?$|윈도|드라이버", re.IGNORECASE)


def _is_ip4(match: _Match) -> bool:
    try:
        address = ipaddress.IPv4Address(match.group())
    except ValueError:
        return False
    # Private, documentation and loopback addresses lead to nobody.
    if not address.is_global:
        return False
    before = _before(match, 16)
    if _VERSION.search(before) or _VERSION.search(_after(match, 8)):
        return False
    # Without such a word: sections and small versions (3.2.1.4) and lists of years (91.93.96.97) look the same.
    octets = tuple(address.packed)
    listed = max(octets) < 100 and octets == tuple(sorted(octets))
    return bool(_NETWORK.search(before)) or ((octets[0] >= 32 or max(octets) >= 100) and not listed)


def _is_ip6(match: _Match) -> bool:
    try:
        address = ipaddress.IPv6Address(match.group())
    except ValueError:
        return False
    # 2000::/3 is what is given out.
    return address.is_global and address.packed[0] >> 5 == 1


def _is_address(match: _Match) -> bool:
    """Everything with the shape, but `git@host:path`, which is the same for everyone."""
    return not (match.group().startswith("git@") and _after(match, 1) in (":", "/"))


_KEYS = re.compile(
    r"[?&;#](?:amp;)?(?:user|(?:user|member|mb|blog|login)_?id|uid|(?:user|real|nick|full)?_?name|login|(?:user_?)?e?-?mail"
    r"|(?:cell_?)?phone|tel|mobile|hp|(?:[a-z]+_)?(?:token|auth|session|secret|password)|auth_?key|(?:j|php)?sess(?:ion)?_?id"
    r"|sid|(?:api_?|access_?)?key|passwd|pass|pwd?|jumin|ssn|birth(?:day)?|account)=[^&;#]"
    r"|[?&;](?:amp;)?id=[^&;#]*[a-z]",
    re.IGNORECASE,
)
_ADDRESS_INSIDE = re.compile(r"[A-Za-z0-9](?:@|%40)[A-Za-z0-9-]+\.[A-Za-z]")


def _is_personal_url(match: _Match) -> bool:
    url = match.group()
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    return bool((at and user != "git") or _KEYS.search(url) or _ADDRESS_INSIDE.search(url))


_RULES: tuple[tuple[str, re.Pattern[str], _Judge], ...] = (
    ("url", patterns.URL, _is_personal_url),
    ("email", patterns.EMAIL, _is_address),
    ("email", patterns.HIDDEN_EMAIL, _always),
    ("ip", patterns.IP6, _is_ip6),
    ("registration", patterns.REGISTRATION, _is_registration),
    ("registration", patterns.MASKED_REGISTRATION, _is_masked_registration),
    ("registration", patterns.HALF_REGISTRATION, _is_half_registration),
    ("card", patterns.GROUPED_CARD, _is_card),
    ("card", patterns.PLAIN_CARD, _is_plain_card),
    ("licence", patterns.LICENCE, _is_licence),
    ("licence", patterns.OLD_LICENCE, _always),
    ("phone", patterns.KOREA, _is_korea),
    ("phone", patterns.MOBILE, _is_mobile),
    ("phone", patterns.SPACED_MOBILE, _is_spaced_mobile),
    ("phone", patterns.LAND, _always),
    ("phone", patterns.ABROAD, _is_abroad),
    ("phone", patterns.UNBROKEN_LAND, _is_called),
    ("phone", patterns.LOCAL, _always),
    ("passport", patterns.PASSPORT, _is_passport),
    ("passport", patterns.NAMED_PASSPORT, _is_named_passport),
    ("ip", patterns.IP4, _is_ip4),
    ("account", patterns.ACCOUNT, _is_account),
)
