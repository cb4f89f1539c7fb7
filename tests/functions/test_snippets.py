"""Snippets: the part of a text that was found, with what was searched for marked."""

import pytest

from joelclaw import snippet

LONG = "Once upon a time " * 20 + "a reactor met a backend & married it. " + "They lived happily ever after. " * 20


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("The convex reactor", "con", "The <mark>convex</mark> reactor"),
        ("con convex", "con reactor", "<mark>con</mark> convex"),
        ("Die Straße nach Köln", "STRASSE köl", "Die <mark>Straße</mark> nach <mark>Köln</mark>"),
        ("Привет, мир", "мир", "Привет, <mark>мир</mark>"),
        ("cafe\u0301 crème", "café", "<mark>cafe\u0301</mark> crème"),
        ("私は東京都に住む", "東京都", "私は<mark>東京都</mark>に住む"),
        ("हिन्दी में", "हिन्दी", "<mark>हिन्दी</mark> में"),
        ("a < b && c > d", "b ", "a &lt; <mark>b</mark> &amp;&amp; c &gt; d"),
        ('"quoted" <script>', "script", "&quot;quoted&quot; &lt;<mark>script</mark>&gt;"),
        ("two\n\nlines\tand  blanks", "lines", "two <mark>lines</mark> and blanks"),
        ("nothing of it", "zebra", "nothing of it"),
        ("no question", " ?! ", "no question"),
        ("", "word", ""),
    ],
)
def test_what_matched_is_marked(text: str, question: str, expected: str) -> None:
    """Every term that the search has matched is marked, and the text around it is safe inside of a page."""
    assert snippet(text, question) == expected


def test_a_long_text_is_cut_around_the_matches() -> None:
    """The part with the most different terms is shown, cut between words, with dots where something is left out."""
    shown = snippet(LONG, "backend time reactor", length=60)
    assert "<mark>reactor</mark> met a <mark>backend</mark>" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    plain = snippet(LONG, "backend time reactor", length=60, marks=("", ""), html=False)
    assert len(plain) <= 62
    assert plain.strip("…") in LONG


def test_without_a_match_the_beginning_is_shown() -> None:
    """A text in which nothing matches is shown from its beginning."""
    shown = snippet(LONG, "zebra", length=40)
    assert shown.startswith("Once upon a time Once")
    assert shown.endswith("…")


def test_one_endless_word_is_cut() -> None:
    """A word that is longer than the snippet, and a text without any word, are cut all the same."""
    assert snippet("x" * 500, "zebra", length=50) == "x" * 50 + "…"
    assert snippet("!" * 500, "zebra", length=50) == "!" * 50 + "…"
    assert snippet("a " * 50 + "x" * 500, "xx", length=20).count("x") == 500


def test_other_marks_and_plain_text() -> None:
    """Marks of another kind leave the text alone."""
    assert snippet("a < b", "b", marks=("**", "**"), html=False) == "a < **b**"
