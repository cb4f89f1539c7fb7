"""Terms: what full-text search sees in a text, in any script."""

import pytest

from joelclaw.values.terms import Question, count_terms, read_question, tokens


def terms(text: str) -> list[str]:
    return [token.term for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Reactive, self-hosted: joelclaw 2.0! ", ["reactive", "self", "hosted", "joelclaw", "2", "0"]),
        ("snake_case don't", ["snake", "case", "don", "t"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("café cafe\u0301 CAFÉ cafe", ["café", "café", "café", "cafe"]),
        ("Привет, МИР", ["привет", "мир"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("한국어 검색", ["한국어", "검색"]),
        ("東京都", ["東京", "京都", "都"]),
        ("ﬁne ＷＩＤＥ", ["fine", "wide"]),
        ("ﷺ", ["صلىاللهعليهوسلم"]),
        ("🎉 — … _ \u0301", []),
        ("", []),
    ],
)
def test_terms_are_runs_of_letters_digits_and_marks(text: str, expected: list[str]) -> None:
    """Terms are the same however a word is capitalised or composed, in every script; accents count."""
    assert terms(text) == expected


def test_a_term_counts_to_its_32nd_character() -> None:
    """SRCH-13: two words that are alike in 32 characters are one term."""
    assert terms("x" * 32 + "y") == terms("x" * 32 + "z") == ["x" * 32]
    assert terms("é" * 40) == ["é" * 32]


def test_counting_agrees_with_reading() -> None:
    """The short way for plain text finds the same terms as the long one."""
    for text in ("To be, or not to BE: x" + "y" * 40, "À la carte, à la mode"):
        assert list(count_terms(text)) == list(dict.fromkeys(terms(text)))
        assert sum(count_terms(text).values()) == len(terms(text))


def test_tokens_say_where_they_stand() -> None:
    """A token's place is in the text as it was written, whatever its term became."""
    text = "Die STRAẞE, 東京"

    assert [text[token.start : token.end] for token in tokens(text)] == ["Die", "STRAẞE", "東京", "京"]


def test_a_question_ends_in_a_prefix() -> None:
    """The last term of a question is a prefix, blanks behind it or not; the others are whole words."""
    assert read_question("  Self   hosted ba ", 16) == Question(("self", "hosted"), "ba")
    assert read_question("東京都", 16) == Question(("東京",), "京都")
    assert read_question("京", 16) == Question((), "京")
    assert read_question(" ?! ", 16) == Question((), None)


def test_terms_beyond_the_maximum_are_not_looked_for() -> None:
    """SRCH-13: the seventeenth term is ignored, and those before it stay whole words."""
    question = read_question(" ".join(f"w{number}" for number in range(17)), 16)

    assert question == Question(tuple(f"w{number}" for number in range(16)), None)
