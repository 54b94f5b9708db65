"""Documents, docstrings, comments and messages use plain words (`scripts/words.py`)."""

import pytest

from scripts.words import BANNED, OPENING, findings


def test_nothing_is_found() -> None:
    """`python -m scripts.words` lists what is."""
    assert [f"{each.path}:{each.line}: {each.words}" for each in findings()] == []


@pytest.mark.parametrize(
    "text",
    [
        "A mistake is told of by its line.",
        "told once",
        "so many bytes",
        "as many connections",
        "whoever asks",
        "by now",
        "x is no command",
        "None, for it waits",
    ],
)
def test_these_words_are_found(text: str) -> None:
    assert BANNED.search(text)


@pytest.mark.parametrize(
    "text",
    ["there is no file", "it is no longer there", "as many as fit", "as many files as fit"],
)
def test_these_words_are_fine(text: str) -> None:
    assert BANNED.search(text) is None


def test_a_docstring_begins_with_a_verb_or_a_noun() -> None:
    assert OPENING.match("Whether it is open.") and OPENING.match("What came.")
    assert OPENING.match("Tell whether it is open.") and OPENING.match("It is open.")
    assert OPENING.match("Return whether it is open.") is None
    assert OPENING.match("Whole files.") is None and OPENING.match("Items.") is None
