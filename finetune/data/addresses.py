"""Postal addresses in texts: Korean ones by road and by lot, and those of the USA.

The corpus stage leaves addresses alone, so there is no placeholder for one: they are cut out. A Korean address counts
as one when a province, city, county or district stands in front and a number behind; 강남구에서 is none, 세종대로 is
none. That misses some, and takes no names of places from sentences.
"""

from __future__ import annotations

import re

_PROVINCE = (
    "서울(?:특별시|시)?|(?:부산|대구|인천|광주|대전|울산)(?:광역시|시)?|세종(?:특별자치시|시)?"
    "|(?:경기|강원|충청[남북]|전라[남북]|경상[남북]|제주)(?:특별자치)?도|강원|경기|충[남북]|전[남북]|전북특별자치도|경[남북]|제주"
)
_DISTRICT = "[가-힣]{1,5}[시군구]"
_TOWN = "[가-힣]{1,5}[읍면]"
#: A province and districts, or one or two districts alone.
_AREA = rf"(?<![가-힣])(?:(?:{_PROVINCE})[ ,]+(?:{_DISTRICT}[ ,]+){{0,2}}|(?:{_DISTRICT}[ ,]+){{1,2}})(?:{_TOWN}[ ,]+)?"
_NUMBER = "[0-9]{1,5}(?:-[0-9]{1,4})?"
#: Not a count of something, nor the beginning of a longer number.
_END = "(?![0-9-])(?! ?(?:명|개|월|일|년|시간|시에|원|만|천|억|번째|차|위|등|회|%|층짜리|km|m\\b))"
_ROAD = rf"[가-힣0-9]{{1,12}}?(?:대로|로|길)(?: ?[0-9]{{1,4}}(?:번|가)?[가나다라]?길)? ?(?:지하 ?)?{_NUMBER}{_END}"
_LOT = rf"[가-힣]{{1,6}}[0-9]{{0,2}}(?:동|리|가|읍|면) ?(?:산 ?)?(?:{_NUMBER} ?번지|{_NUMBER}{_END})"
#: Building, floor and flat, with brackets that name the quarter.
_REST = (
    r"(?:,? ?\([가-힣0-9, ]{1,20}\))?"
    r"(?:,? ?(?:[가-힣A-Za-z0-9]{1,12}(?:아파트|빌딩|빌라|타워|오피스텔|맨션)))?(?:,? ?[0-9A-Za-z]{1,4}동(?= ?[0-9]))?"
    r"(?:,? ?(?:지하 ?)?[0-9]{1,3}층)?(?:,? ?[0-9]{1,5}호)?(?:,? ?\([가-힣0-9, ]{1,20}\))?"
)
_KOREAN = re.compile(rf"(?:\(?(?:우편번호 ?)?[0-9]{{5}}\)? ?)?{_AREA}(?:{_ROAD}|{_LOT}){_REST}")

_STATE = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
_STREET = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Parkway|Pkwy|Highway|Hwy"
    "|Terrace|Ter|Circle|Cir|Square|Sq"
)
_FLAT = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Room|Rm)\.? ?#?[0-9A-Za-z-]{1,6}|,? ?#[0-9A-Za-z-]{1,6})?"
_CITY = (
    rf"(?:,? [A-Z][A-Za-z.'-]{{1,20}}(?: [A-Z][A-Za-z.'-]{{1,20}}){{0,2}},? (?:{_STATE})\b\.?"
    r"(?: [0-9]{5}(?:-[0-9]{4})?)?)?"
)
_AMERICAN = re.compile(
    rf"(?<![0-9A-Za-z-])(?:[0-9]{{1,6}}[A-Z]? (?:[NSEW]\.? |North |South |East |West )?"
    rf"(?:(?:[A-Z][A-Za-z'-]{{1,20}}|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{1,3}}(?:{_STREET})\b\.?(?: [NS][EW]\b)?"
    rf"{_FLAT}{_CITY}"
    rf"|P\.? ?O\.? Box [0-9]{{1,6}}{_CITY})"
)


def cut_addresses(text: str) -> str:
    """Korean and US postal addresses as a space.

    >>> cut_addresses("주소: 서울특별시 종로구 세종대로 175 (세종로), 강남구에서 만나")
    '주소:  , 강남구에서 만나'
    """
    if not any("0" <= character <= "9" for character in text):
        return text
    return _AMERICAN.sub(" ", _KOREAN.sub(" ", text))
