"""Words in descriptions that people typed: in any case, however they are joined."""
from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

SHORT = 4  # "sax", "acl": so short a word says something only when it stands alone


def says(words: Iterable[str], text: str) -> bool:
    """Does the text contain one of the words, as a word of its own? Spaces, '-', '_', '.' and case do not matter."""
    text = plain(text)
    return any(_pattern(word, False).search(text) for word in words)


def mentions(words: Iterable[str], text: str) -> bool:
    """The same, but a long word may also begin a longer one: "prostat" is mentioned in "prostata"."""
    text = plain(text)
    return any(_pattern(word, len(word) > SHORT).search(text) for word in words)


@lru_cache(maxsize=1024)
def _pattern(word: str, begins: bool) -> re.Pattern:
    word = plain(word)
    before = r"(?<!\w)" if word[:1].isdigit() else r"(?<![^\W\d])"  # "t2sag" says sag, "14ch" does not say 4ch
    after = "" if begins else r"(?!\d)" if word[-1:].isdigit() else r"(?![^\W\d])"
    return re.compile(before + re.escape(word) + after)


def plain(text: str) -> str:
    """In lower case, whatever joins its words one space."""
    return re.sub(r"[\s_\-./\\]+", " ", text.lower()).strip()
