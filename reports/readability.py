"""How hard a text is to read, by a formula that needs no dictionary and no rule of syllables.

LIX (Bjornsson 1968, Lasbarhet; for English Bjornsson 1983, Readability of newspapers in 11 languages, Reading Research
Quarterly 18) is the mean number of words in a sentence plus the percentage of words of more than six letters. It was made for
words as they are written, so it is exact where syllables would be guessed, and the same in every language that puts blanks
between words. Below 30 is a children's book, 40 a popular paper, 50 an official text, 60 the language of experts.
"""

from __future__ import annotations

import re

MOST = 45.0
"""What a note for stakeholders may have at most: between a newspaper and an official text."""
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*|\d[\d.,]*")
_SENTENCE = re.compile(r"[.!?:;]+(?=\s|$)|\n+")
_LONG = 6


def lix(text: str) -> float:
    """Return the LIX of a text; 0 for a text without words.

    Parameters
    ----------
    text : str
        A full stop, colon, semicolon, question or exclamation mark, or the end of a line, ends a sentence. Numbers are words.

    Examples
    --------
    >>> lix("It reads a form. It says yes or no.")  # 4.5 words a sentence, none long
    4.5
    >>> lix("Creditworthiness assessment methodologies.")
    103.0
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = sum(bool(_WORD.search(part)) for part in _SENTENCE.split(text))
    long = sum(sum(c.isalpha() for c in word) > _LONG for word in words)
    return float(len(words) / max(1, sentences) + 100 * long / len(words))
