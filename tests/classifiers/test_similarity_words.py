"""What a text consists of, what it says, and what language it is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.similarity.lexicon import language, lexicons
from classifiers.similarity.reading import read
from classifiers.similarity.words import tokens


def parts(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pay €10, now!", [("word", "Pay"), ("word", "€"), ("number", "10"), ("word", "now")]),
        ("10kg or 5%", [("number", "10"), ("word", "kg"), ("word", "or"), ("number", "5"), ("word", "%")]),
        ("a 10-day trip", [("word", "a"), ("number", "10"), ("word", "day"), ("word", "trip")]),
        ("AB-1234 v2.1", [("id", "AB-1234"), ("id", "v2.1")]),
        ("It isn't Acme's", [("word", "It"), ("word", "is"), ("word", "not"), ("word", "Acme")]),
        ("can't won't", [("word", "can"), ("word", "not"), ("word", "will"), ("word", "not")]),
        ("what's new", [("word", "what"), ("word", "is"), ("word", "new")]),
        ("csv,json and/or txt", [("word", one) for one in ("csv", "json", "and", "or", "txt")]),
        ("call os.path(x) or getName", [("word", "call"), ("id", "os.path(x"), ("word", "or"), ("id", "getName")]),
        ("a < b - c 🙂", [("word", "a"), ("sign", "<"), ("word", "b"), ("word", "c"), ("picture", "🙂")]),
        ("€ 5 → 5 %", [("word", "€"), ("number", "5"), ("sign", "→"), ("number", "5"), ("word", "%")]),
        ("e-mail", [("word", "email")]),
    ],
)
def test_a_text_falls_into_words_numbers_ids_and_signs(text: str, expected: list[tuple[str, str]]) -> None:
    assert parts(text) == expected


@given(st.text(max_size=100))
def test_no_letter_and_no_digit_of_a_text_is_lost_but_those_of_contractions(text: str) -> None:
    if "'" not in text and "’" not in text:
        kept = "".join(token.text for token in tokens(text))
        assert sum(map(str.isalnum, kept)) >= sum(map(str.isalnum, text)) - text.lower().count("e-mail")


def test_a_capital_letter_says_something_only_within_a_sentence() -> None:
    found = read("The invoice of Initech is late. Please ask Dr. Smith about it.")
    assert found is not None
    assert found.names == ("initech", "dr", "smith")


def test_written_numbers_ordinals_and_separators_of_the_language_are_read() -> None:
    english = read("Is it one of two thousand, the 3rd, the third, 1,250.5 or version one?")
    german = read("Ist es einer von zwei, der dritte, oder sind es 1.250,5 Euro?")
    assert english is not None
    assert german is not None
    assert english.numbers == ("2", "1000", "3th", "3th", "1250.5", "1")
    assert german.numbers == ("2", "3th", "1250.5")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("How do I reset my password?", "english"),
        ("Convert 10 kg to pounds.", "english"),
        ("Wie setze ich mein Passwort zurück?", "german"),
        ("Was ist das?", "german"),
        ("Comment puis-je réinitialiser mon mot de passe ?", None),
        ("Hoe kan ik mijn wachtwoord wijzigen?", None),
        ("Come posso cambiare la mia password?", None),
        ("Como posso mudar minha senha?", None),
        ("Hur ändrar jag mitt lösenord?", None),
        ("Kako da promijenim lozinku na svom računu?", None),
        ("Как сменить пароль?", None),
        ("10 + 5", None),
        ("", None),
    ],
)
def test_a_language_without_lists_is_none(text: str, name: str | None) -> None:
    found = language(tokens(text))
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("at", "forms"),
    [
        (0, ["use", "used", "using", "uses"]),
        (0, ["copy", "copied", "copies", "copying"]),
        (0, ["stop", "stopped", "stopping", "stops"]),
        (0, ["create", "creation", "creating"]),
        (0, ["box", "boxes"]),
        (1, ["Rechnung".lower(), "rechnungen"]),
        (1, ["kunde", "kunden"]),
    ],
)
def test_forms_of_a_word_have_one_stem(at: int, forms: list[str]) -> None:
    assert len({lexicons()[at].stem(form) for form in forms}) == 1


@pytest.mark.parametrize(
    "words", [("niger", "nigeria"), ("string", "strong"), ("need", "new"), ("apply", "app"), ("employer", "employee")]
)
def test_words_that_only_look_alike_keep_two_stems(words: tuple[str, str]) -> None:
    one, other = map(lexicons()[0].stem, words)
    assert one != other
