"""The words of an unfinished bash line, and how a completed one is to be written into it.

bash puts what a completion gives into the line as it is, and would run a ``$(…)`` in it, so each word is quoted here. It
replaces not the whole word but what comes after the last of ``COMP_WORDBREAKS`` in it, such as ``:``.
"""

from __future__ import annotations

from dataclasses import dataclass

SINGLE, DOUBLE, NONE = "'", '"', ""
_BACKSLASH = "\\"
_BLANKS = " \t\n"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,")
_LIVE_IN_DOUBLE = '$`"\\'


@dataclass(slots=True)
class Word:
    """The unfinished word at the end of a line.

    Attributes:
        value: what it says so far, without quotes.
        quote: the quote that is open at its end.
        kept: so many characters of the value stay in the line as they are; what follows is replaced.
    """

    value: str = ""
    quote: str = NONE
    kept: int = 0


def split(line: str, breaks: str = "") -> tuple[list[str], Word]:
    """The finished words of a line without their quotes, and the unfinished one, which may be empty.

    Args:
        line: up to the cursor.
        breaks: the characters at which a shell begins a new word to be replaced, blanks and quotes apart.
    """
    words: list[str] = []
    word, is_begun = Word(), False
    letters = iter(line)
    for letter in letters:
        if word.quote == SINGLE:
            word.value, word.quote = (word.value, NONE) if letter == SINGLE else (word.value + letter, SINGLE)
        elif letter == _BACKSLASH:
            following = next(letters, "")
            is_live = word.quote == NONE or following in _LIVE_IN_DOUBLE
            word.value += following if is_live else letter + following
            is_begun = True
        elif letter == word.quote:
            word.quote = NONE
        elif word.quote == NONE and letter in SINGLE + DOUBLE:
            word.quote, word.kept, is_begun = letter, len(word.value), True
        elif word.quote == NONE and letter in _BLANKS:
            words += [word.value] if is_begun else []
            word, is_begun = Word(), False
        else:
            word.value += letter
            is_begun = True
            if word.quote == NONE and letter in breaks:
                word.kept = len(word.value)
    return words, word


def write(value: str, word: Word) -> str | None:
    """What is to stand in place of an unfinished word, from where it is replaced; ``None`` when that cannot be written.

    Args:
        value: of the whole word.
        word: as :func:`split` found it; what it keeps is as ``value`` begins.
    """
    rest = value[word.kept :]
    if word.quote == SINGLE:
        return None if SINGLE in rest else rest
    if word.quote == DOUBLE:
        # "!" in double quotes is an event of the history, and a backslash before it would stay
        return None if "!" in rest else "".join(f"\\{each}" if each in _LIVE_IN_DOUBLE else each for each in rest)
    return "".join(each if each in _PLAIN or each.isalnum() else f"\\{each}" for each in rest)
