"""What eSputnik takes for a person's name, on code points. Pure.

The rules are those of docs page 29751275071 ("Adding contacts") and 29515525355 ("Contact fields").
"""

import re
from unicodedata import category, normalize

LONGEST = 40
"""Characters of a name in a contact call; inside an event's contactJson it may be 60."""

_DIGITS = 3
_SHORT = 3
"""A word of so many characters may end in a dot; a first name has three of them and three longer ones."""

_WORD = re.compile(r"[^\W_]+(?:['’ʼ`-][^\W_]+)*")  # noqa: RUF001 -- apostrophes as people type them


def is_name(text: str) -> bool:
    """Tell whether it is a name: words of letters, at most 40 characters, at most three digits.

    An apostrophe stands inside a word, a hyphen inside or between words, a dot at the end of a short word.
    """
    letters = "".join(sign for sign in normalize("NFC", text) if category(sign)[0] != "M")
    if len(text) > LONGEST or not any(sign.isalpha() for sign in letters):
        return False
    if sum(sign.isnumeric() for sign in letters) > _DIGITS:
        return False
    words = letters.split()
    if "-" in (words[0], words[-1]):
        return False
    return all(word == "-" or _is_word(word) for word in words)


def is_first_name(text: str) -> bool:
    """Tell whether it is a name of at most three words longer than three characters and three short ones."""
    lengths = [len(word) for word in text.split() if word != "-"]
    short = sum(length <= _SHORT for length in lengths)
    return is_name(text) and short <= _SHORT and len(lengths) - short <= _SHORT


def _is_word(word: str) -> bool:
    bare = word.removesuffix(".")
    return bool(_WORD.fullmatch(bare)) and (bare == word or len(bare) <= _SHORT)
