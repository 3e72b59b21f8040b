"""Prices as text: as a feed must write them, and as shops write them all the same. Pure."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
    LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
    STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG
    XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())
"""ISO 4217, the currencies in which shops sell."""

_SIGNS = {
    "₴": "UAH",
    "грн": "UAH",
    "грн.": "UAH",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "zł": "PLN",
    "₸": "KZT",
}
_DIGITS, _DECIMALS = 12, 6
"""What a price has at most; more decimals are what is left of a computation."""
_STRICT = re.compile(rf"(\d{{1,{_DIGITS}}}(?:\.\d{{1,{_DECIMALS}}})?)(?: ?([A-Za-z]{{3}}))?", re.ASCII)
_BLANKS = dict.fromkeys(map(ord, "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"), " ")
_LOOSE = re.compile(r"(\D*?)(\d[\d\s]*(?:[.,]\d+)*)(\D*)", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d{1,2})?", re.ASCII)


class Price(NamedTuple):
    """An amount, and the code of its currency, "" where none is given."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}".rstrip()


@lru_cache(maxsize=16_384)  # shops have fewer prices than products
def read(text: str) -> Price | None:
    """Return a price as the Google Merchant specification writes it (`899.00 UAH`), else None."""
    match = _STRICT.fullmatch(text)
    return Price(Decimal(match[1]), (match[2] or "").upper()) if match else None


def guess(text: str, currency: str | None) -> Price | None:
    """Return the price that somebody meant, in `currency` where the text names none; None where unsure.

    Reads `1 299,00 грн`, `UAH 15`, `₴1,299.00` and `15.00`; `1,299` may be either and is not guessed at.
    """
    match = _LOOSE.fullmatch(text.translate(_BLANKS).strip())
    if match is None:
        return None
    before, number, behind = (part.strip() for part in match.groups())
    amount = _amount("".join(number.split()))
    name = _currency(before or behind) if bool(before) != bool(behind) else None
    if amount is None or (name is None and (before or behind)):
        return None
    found = name or currency
    return Price(amount, found) if found else None


def _amount(number: str) -> Decimal | None:
    if _THOUSANDS.fullmatch(number):
        if number.count(",") == 1 and "." not in number:
            return None
        number = number.replace(",", "")
    number = number.replace(",", ".")
    whole, _, fraction = number.partition(".")
    if "." in fraction or len(whole) > _DIGITS:
        return None
    return round(Decimal(number), 2) if len(fraction) > _DECIMALS else Decimal(number)


def _currency(name: str) -> str | None:
    code = _SIGNS.get(name.lower(), name.upper())
    return code if code in CURRENCIES else None
