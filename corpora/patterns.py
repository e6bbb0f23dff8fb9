"""The shapes of personal numbers and addresses in Korean text, as regular expressions over a normalised copy.

The copy has the length of the text (see `normalise`), so places in one are places in the other. Every expression is
linear: repeats are bounded or possessive, and a run of digits or letters is entered at its beginning only. What a
shape is worth (check digits, dates, words around it) is judged in `corpora.privacy`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

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
#: Stands for every character of a placeholder or of what was found: nothing matches across it.
BLANK = "\0"

_DASHES = "‐‑‒–—―−─━ーㅡ﹘﹣"
_CIRCLED = "⓪①②③④⑤⑥⑦⑧⑨⓿❶❷❸❹❺❻❼❽❾"
_TABLE: dict[int, str] = {
    **{0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)},  # full-width ASCII
    **{0x1D7CE + place: str(place % 10) for place in range(50)},  # mathematical digits
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **dict.fromkeys(map(ord, "〜∼˜"), "~"),
    **dict.fromkeys(map(ord, "・･•‧∙⋅ㆍ"), "·"),
    **dict.fromkeys(map(ord, "․﹒"), "."),
    ord("﹫"): "@",
}
# One circled digit is a list's mark (① 전화 ...); two are a number.
_CIRCLED_RUN = re.compile(f"[{_CIRCLED}]{{2,}}")
_CIRCLED_TABLE = {ord(character): str(place % 10) for place, character in enumerate(_CIRCLED)}
_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))


def normalise(text: str) -> str:
    """A copy of the same length for matching: ASCII digits, dashes, dots, tildes and at signs; placeholders blank.

    >>> normalise("０１０ㅡ①②③④")
    '010-1234'
    """
    view = text.translate(_TABLE)
    view = _CIRCLED_RUN.sub(lambda run: run.group().translate(_CIRCLED_TABLE), view)
    return _PLACEHOLDER.sub(lambda mark: BLANK * len(mark.group()), view)


# What any personal datum has: seven digits with little between them, an at sign, "://" and so on. Everything else is
# behind this one search, so ordinary text costs one look at each character. It sees the text as it is.
_D = "0-9０-９𝟎-𝟿" + _CIRCLED
_S = r"\-\s.~·/_)(（）－．～" + _DASHES
_HEX = "0-9A-Fa-f０-９Ａ-Ｆａ-ｆ"
_NUMERALS = "공영일이삼사오육륙칠팔구"
TRIGGER = re.compile(
    f"[{_D}@＠﹫:：공영골앳aAwWｗ]"
    f"(?:(?<=[{_D}])(?<![{_D}][{_D}])(?:"
    f"(?:[{_S}]{{0,3}}[{_D}]){{6}}"
    f"|[{_D}]{{5}} ?[-{_DASHES}－]"
    f"|[{_D}]{{2}}[A-Za-zＡ-Ｚ][{_D}]{{4}}"
    f"|[{_D}]{{0,2}}[.．][{_D}]{{1,3}}[.．][{_D}]{{1,3}}[.．][{_D}]"
    f"|(?<=[0０])[1１][{_D}].{{0,4}}[{_NUMERALS}{_D}]{{3}})"
    "|(?<=[@＠﹫])"
    f"|(?<=[:：])(?:[/／]{{2}}|[{_HEX}]{{0,4}}[:：][{_HEX}:：])"
    "|(?<=[공영])[일1][공영0]|(?<=골)뱅이|(?<=앳)"
    r"|(?<=[\s(\[{<][aA])[tT][\s)\]}>]"
    r"|(?<=[wWｗ])[wWｗ]{2}[.．])"
)

# A number is not cut out of a longer one, nor out of a longer chain of them. Letters glued to an unbroken number make
# it a code.
_LEFT = r"(?<![0-9])(?<![0-9][-.])"
_RIGHT = r"(?!-?[0-9])"
_CODE_LEFT = r"(?<![0-9A-Za-z_.,-])"
_CODE_RIGHT = r"(?![0-9A-Za-z_]|[-.,][0-9A-Za-z])"

_MASK = r"*xXOo○◯●□■#_ㅇ×"
REGISTRATION = re.compile(rf"{_LEFT}([0-9]{{6}})( ?[-.~·] ?| |)([0-9]{{7}}){_RIGHT}")
MASKED_REGISTRATION = re.compile(rf"{_LEFT}([0-9]{{6}}) ?- ?([0-9]{{0,4}}+[{_MASK}]{{3,7}}+){_RIGHT}(?![A-Za-z])")
HALF_REGISTRATION = re.compile(rf"{_LEFT}([0-9]{{6}}) ?- ?([1-8])(?![-.]?[0-9A-Za-z])")

PASSPORT = re.compile(rf"{_CODE_LEFT}(?:[MS][0-9]{{8}}|[MSRODG][0-9]{{3}}[A-Z][0-9]{{4}}){_CODE_RIGHT}")
NAMED_PASSPORT = re.compile(
    rf"{_CODE_LEFT}(?:[A-Za-z]{{1,2}}[ -]?[0-9]{{3}}(?:[A-Za-z][0-9]{{4}}|[0-9]{{4,5}})|[0-9]{{9}}){_CODE_RIGHT}"
)

_REGIONS = "서울|부산|경기(?:[남북]부)?|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산"
_LICENCE = r"(?:1[1-9]|2[0-68])( ?[{}] ?|{})[0-9]{{2}}\1[0-9]{{6}}\1[0-9]{{2}}"
LICENCE = re.compile(f"{_LEFT}{_LICENCE.format('-', '-')}{_RIGHT}")
LOOSE_LICENCE = re.compile(f"{_LEFT}{_LICENCE.format('. ', '')}{_RIGHT}")
OLD_LICENCE = re.compile(rf"(?:{_REGIONS})[ -]?[0-9]{{2}}-[0-9]{{6}}-[0-9]{{2}}{_RIGHT}")

_JOINT = r"(?: ?(?:[-.~·/_),*=]|에|다시) ?| )"
_N = f"[0-9{_NUMERALS}]"
# 010 spelt with letters, to hide it from filters (O1O, ㅇ1ㅇ), or read aloud (공일공, 영일영); both noughts alike.
_MOBILE = "(?:01[016-9]|[0OoO○ㅇ][1lI][0OoO○ㅇ]|공[1일]공|영[1일]영)"
MOBILE = re.compile(rf"{_LEFT}(?:\({_MOBILE}\)|{_MOBILE}){_JOINT}?{_N}{{3,4}}{_JOINT}?{_N}{{4}}{_RIGHT}")
SPACED_MOBILE = re.compile(rf"{_LEFT}(?<![0-9] )(?!(?:[01][ .-]){{9}})0([ .-])1\1[016-9](?:\1[0-9]){{7,8}}(?!\1?[0-9])")
_SEP = "(?: ?[-.)] ?| )"
_AREA = "(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|80|50[2-9]?)"
LAND = re.compile(rf"{_LEFT}(?:\(0{_AREA}\){_SEP}?|0{_AREA}{_SEP})[1-9][0-9]{{2,3}}{_SEP}?[0-9]{{4}}{_RIGHT}")
KOREA = re.compile(
    rf"(?:\(\+ ?82\)|\+ ?82\)?|{_LEFT}(?:0082|82)(?=[-. (])){_SEP}?(?:\(0\)|0)?{_SEP}?"
    rf"(?:1[016-9]|{_AREA}){_SEP}?[0-9]{{3,4}}{_SEP}?[0-9]{{4}}{_RIGHT}"
)
ABROAD = re.compile(
    rf"(?:(?<![0-9A-Za-z])\+[1-9](?:[0-9]{{0,2}}(?:[ .-](?:[0-9]{{1,8}}|\([0-9]{{1,5}}\))){{2,5}}|[0-9]{{10,14}}+)"
    rf"|\([2-9][0-9]{{2}}\) ?[2-9][0-9]{{2}}-[0-9]{{4}}){_RIGHT}"
)
UNBROKEN_LAND = re.compile(rf"{_CODE_LEFT}0{_AREA}[1-9][0-9]{{6,7}}{_CODE_RIGHT}")
LOCAL = re.compile(
    r"(?:전화(?: ?번호)?|연락처|팩스(?: ?번호)?|[☎☏📞]|(?i:\b(?:tel|fax|phone)\b))[은는이가]?[ .:)]{0,3}"
    rf"(?P<datum>[2-9][0-9]{{2,3}}-[0-9]{{4}}){_RIGHT}(?! ?[통명원개년회건대만천])"
)

_USER = r"[A-Za-z0-9](?:[A-Za-z0-9._%+'*-]{0,63}+)"
_LABELS = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,6}"
_KNOWN = "(?:com|net|org|edu|gov|info|biz|io|kr|jp|cn)"
_PROVIDER = (
    r"(?:naver|gmail|daum|hanmail|nate|kakao|hotmail|yahoo|네이버|지메일|다음|한메일|네이트|카카오|핫메일|야후)"
    r"(?: ?(?:\.|닷|점|쩜) ?(?:com|net|컴|넷))?"
)
EMAIL = re.compile(
    rf"(?:(?<![A-Za-z0-9]){_USER}|(?<![가-힣])[가-힣]{{2,5}})@"
    rf"(?!\dx\.)(?:{_LABELS}\.[A-Za-z]{{2,24}}(?![A-Za-z0-9])"
    rf"|[가-힣0-9A-Za-z-]{{1,30}}\.(?:한국|{_KNOWN})(?![A-Za-z0-9])"
    rf"|(?i:{_PROVIDER})(?![A-Za-z0-9]))"
)
_AT = r"(?: ?(?:\(at\)|\[at\]|\{at\}|<at>|_?골뱅이_?|앳) ?)"
_DOT = r"(?:\.| ?(?:\(dot\)|\[dot\]|\{dot\}|닷|점|쩜) ?| dot )"
_LABEL = "[A-Za-z0-9-]{1,63}"
#: Spaced or spelt to hide it from machines. Among spaces, `at` in small letters asks for `dot`: meet at example.com.
HIDDEN_EMAIL = re.compile(
    rf"(?i:(?<![A-Za-z0-9]){_USER}(?:"
    rf"(?:{_AT}| @ ?|@ |(?-i: AT )){_LABEL}(?:{_DOT}{_LABEL}){{0,3}}{_DOT}(?:{_KNOWN}|컴|넷)|{_AT}{_PROVIDER}"
    rf"| at {_LABEL}(?: dot {_LABEL}){{0,3}} dot {_KNOWN})(?![A-Za-z0-9]))"
)

GROUPED_CARD = re.compile(
    rf"{_LEFT}(?:[2-69][0-9]{{3}}( ?[-./] ?| )[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}(?:\1[0-9]{{3}})?"
    rf"|3[0-9]{{3}}([-. ])[0-9]{{6}}\2[0-9]{{4,5}}){_RIGHT}"
)
PLAIN_CARD = re.compile(rf"{_CODE_LEFT}(?:3[47][0-9]{{13}}|(?:35|[4569][0-9])[0-9]{{14}}){_CODE_RIGHT}")

ACCOUNT = re.compile(
    r"(?<![0-9A-Za-z+])(?<![0-9][-.,])"
    r"(?:[0-9]{2,6}(?:-[0-9]{1,8}){1,4}|[0-9]{10,16}|[0-9]{2,6}([ .])[0-9]{2,8}(?:\1[0-9]{2,8}){1,3})"
    r"(?![0-9A-Za-z]|[-.,][0-9]| ?[만천억조]? ?원|[만천억조명년월]|개(?!설)|그루)"
)

IP4 = re.compile(r"(?<![0-9A-Za-z.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_]|[.-][0-9]|/(?!32(?![0-9]))[0-9])")
IP6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}+[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:]|/(?!128(?![0-9]))[0-9])"
)

# Marks of punctuation belong to an address only in its midst, brackets in pairs, Hangul as a value (name=홍길동).
_URL_BODY = r"[A-Za-z0-9_~/?#\[\]@$&*+=%|-]"
URL = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9+.-]{1,14}+://|[wW]{3}\.)"
    rf"(?:{_URL_BODY}++|\({_URL_BODY}*+\)|[.,;:!?']++(?={_URL_BODY})|(?<==)[가-힣]++)++"
)

# Words around a number, looked for by the judges.
RESIDENT = re.compile(r"주민|외국인|거소")
CORPORATION = re.compile(r"법인")
PASSPORT_WORD = re.compile(r"여권|passport", re.IGNORECASE)
PASSPORT_NUMBER = re.compile(r"여권 ?번호|passport n", re.IGNORECASE)
PRODUCT = re.compile(r"품번|모델|제품|부품|도면|특허|시리얼|코드|학번|일련")
LICENCE_WORD = re.compile(r"면허")
CARD_WORD = re.compile(r"카드")
CALL = re.compile(r"전화|연락|문의|팩스|상담|[☎☏📞]|tel|fax|call|phone", re.IGNORECASE)
_BANK_NAMES = "국민|신한|우리|하나|기업|제일|씨티|산업|대구|부산|광주|전북|경남|제주"
_BANK = (
    f"(?:{_BANK_NAMES}|저축|외환|조흥|한일|상업)은행|카카오뱅크|카뱅|토스뱅크|케이뱅크|케뱅|농협|수협|신협|축협|새마을금고"
    "|우체국|(?<![A-Za-z])(?:KB|NH|IBK|KEB|SC|DGB|BNK|iM)(?![A-Za-z])"
)
MONEY = re.compile(f"{_BANK}|계좌|예금주|입금|송금|이체|통장")
#: A bank without 은행 is an ordinary word (국민, 우리, 하나): it has to touch the number.
BANK_BEFORE = re.compile(f"(?:{_BANK}|(?<![가-힣])(?:{_BANK_NAMES}|카카오|토스))[ :(]{{0,3}}$")
BANK_AFTER = re.compile(f"[ (]{{0,2}}(?:{_BANK}|(?:{_BANK_NAMES}|카카오|토스)(?![가-힣]))")
OTHER_NUMBER = re.compile(r"사업자|법인|등록|전화|팩스|주문|송장|택배|접수|승인|예약|사건|허가|품번|모델")
#: Amounts of money (1000000000) and numbers of businesses (NNN-NN-NNNNN).
NO_ACCOUNT = re.compile("[0-9]+00000$|[0-9]{3}-[0-9]{2}-[0-9]{5}$")
DATE = re.compile(r"(?:19|20)[0-4][0-9]([-. ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])(?:\1|$)")
NETWORK = re.compile(r"\bip|아이피|접속|차단|로그인|서버|ping|핑|호스트", re.IGNORECASE)
VERSION = re.compile(
    r"버전|버젼|\bver|version|펌웨어|릴리[스즈]|빌드|업데이트|DNS|네임서버|제$|§|\bEC ?$|윈도|드라이버", re.IGNORECASE
)
URL_KEYS = re.compile(
    r"[?&;#](?:amp;)?(?:user|(?:user|member|mb|blog|login)_?id|uid|(?:user|real|nick|full)?_?name|login"
    r"|(?:user_?)?e?-?mail|(?:cell_?)?phone|tel|mobile|hp|(?:[a-z]+_)?(?:token|auth|session|secret|password)"
    r"|auth_?key|(?:j|php)?sess(?:ion)?_?id|sid|(?:api_?|access_?)?key|passwd|pass|pwd?|jumin|ssn|birth(?:day)?|account)"
    # A number alone is a record's (id=12345); a name has letters.
    r"=[^&;#]|[?&;](?:amp;)?id=[^&;#]*[a-z]",
    re.IGNORECASE,
)
ADDRESS_IN_URL = re.compile(r"[A-Za-z0-9](?:@|%40)[A-Za-z0-9-]+\.[A-Za-z]")
#: Glued to an address (example.com,02-123-4567), these are not names of pages.
NUMBER_IN_URL = re.compile(r"(?<![0-9])(?:0[0-9]{1,3}-[0-9]{3,4}-[0-9]{4}|[0-9]{6}-[1-8][0-9]{6})(?![0-9])")
