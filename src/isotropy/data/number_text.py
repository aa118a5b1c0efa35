"""Numbers as people write them: "$1,234.50", "12 %", "1.234,50 EUR", "(123)", "12.5 kg"; one convention a column."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Texts = NDArray[np.object_]

# Of so many different texts, evenly spaced, the convention is found.
SAMPLE = 2000
# Letters before a number make a code of it (P001, Q3), except for those of a currency.
_CURRENCY = (
    r"(?:[A-Z]{0,3}[$€£¥₹₽₩₺₴₫₱₪฿]|Rs\.?|kr\.?|zł|Fr\.?|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|"
    r"JPY|KRW|MXN|NOK|NZD|PLN|RON|RUB|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR)"
)
_UNIT = r"[^\d\s.,()+\-−'’/:;*#][^()\s]{0,11}(?: [^\d\s.,()+\-/:]{1,8})?"
_LETTER = r"[^\W\d_]"
_WHOLE = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+−]?)\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[-+−]?)\s*"
    # A mark that letters follow begins the end of a file's name, as in "7.jpg".
    rf"(?P<number>(?:\d(?:[\d,'’ _]|\.(?!{_LETTER}))*|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(?P<after>{_UNIT})?\s*(?P<close>\))?"
)
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})
_GROUPS = " '’_"
_MINUS = ("-", "−")


@dataclass(frozen=True)
class NumberText:
    """How the numbers of a column are written.

    Attributes:
        decimal: the mark before decimals, "." or "," (where no value tells, the dot); the other one, spaces and
            apostrophes stand between thousands.
        unit: what stands before or behind the numbers, "" for nothing.
    """

    decimal: str = "."
    unit: str = ""

    @classmethod
    def find(cls, texts: Texts, counts: NDArray[np.int64]) -> Self | None:
        """Return the convention of most of the different texts (U,), which occur so often (U,); None where none is.

        Example:
            >>> NumberText.find(np.array(["1.234,50 EUR", "7,5 EUR"], dtype=object), np.array([1, 1]))
            NumberText(decimal=',', unit='EUR')
        """
        some = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), SAMPLE)).astype(np.int64))
        found = [(match, int(count)) for text, count in zip(texts[some], counts[some]) if (match := _matched(text))]
        if sum(count for _, count in found) < 0.8 * counts[some].sum():
            return None
        units, marks = Counter[str](), Counter[str]()
        for match, count in found:
            units[_unit(match)] += count
            if mark := _mark(match["number"]):
                marks[mark] += count
        named = [unit for unit, _ in units.most_common() if unit]
        unit = named[0] if named and units[named[0]] >= 0.05 * units.total() else ""
        if not marks and re.fullmatch(_CURRENCY, unit) and any("." in match["number"] for match, _ in found):
            marks[","] = 1  # "1.200 EUR": an amount has no three decimals
        return cls("," if marks[","] > marks["."] else ".", unit)

    def parse(self, texts: Texts) -> NDArray[np.float64]:
        """Return the numbers of texts (U,), NaN for those that are none, or have another unit.

        Example:
            >>> NumberText(".", "$").parse(np.array(["$1,234.50", "($3)", "-$7", "8", "9 EUR"], dtype=object)).tolist()
            [1234.5, -3.0, -7.0, 8.0, nan]
        """
        groups, decimal = re.escape(_GROUPS + ",.".replace(self.decimal, "")), re.escape(self.decimal)
        unit = rf"(?:{re.escape(self.unit)})?"
        whole = re.compile(
            rf"(\()?\s*([-+−]?)\s*{unit}\s*([-+−]?)\s*"
            # No number of thousands begins with a zero: "0,159" has decimals.
            rf"((?:[1-9]\d{{0,2}}(?:[{groups}]\d{{2,3}})*[{groups}]\d{{3}}|\d+)(?:{decimal}(?!{_LETTER})\d*)?|{decimal}\d+)"
            r"((?:[eE][-+]?\d+)?)"
            rf"\s*{unit}\s*(\))?"
        )
        plain = str.maketrans({**dict.fromkeys(_GROUPS + ",.", None), self.decimal: "."})

        def one(text: str) -> float:
            match = whole.fullmatch(text.translate(_SPACES).strip())
            if match is None or bool(match[1]) != bool(match[6]):
                return np.nan
            value = float(match[4].translate(plain) + match[5])
            negative = (match[2] in _MINUS) != (match[3] in _MINUS) or match[1]
            return -value if negative else value

        return np.array([one(text) for text in texts], dtype=np.float64)

    def __str__(self) -> str:
        """Return the convention as one says it, "" where it is the plain one."""
        return ", ".join([self.unit] * bool(self.unit) + ["decimal comma"] * (self.decimal == ","))


def _matched(text: str) -> "re.Match[str] | None":
    match = _WHOLE.fullmatch(text.translate(_SPACES).strip())
    if match is None or bool(match["open"]) != bool(match["close"]) or (match["before"] and match["after"]):
        return None
    return match


def _unit(match: "re.Match[str]") -> str:
    return match["before"] or match["after"] or ""


def _mark(number: str) -> str:
    """Return the decimal mark that a number shows, "" where it could have either."""
    number = re.split("[eE]", number)[0].strip()
    dot, comma = number.count("."), number.count(",")
    if dot and comma:
        return "." if number.rfind(".") > number.rfind(",") else ","
    if not dot and not comma:
        return ""
    mark, times = (".", dot) if dot else (",", comma)
    whole, _, after = number.rpartition(mark)
    if times > 1:
        return "," if mark == "." else "."
    # Three digits behind one mark may be thousands or decimals.
    unsure = len(after) == 3 and 1 <= len(whole) <= 3 and whole.strip("0") != ""
    return "" if unsure else mark
