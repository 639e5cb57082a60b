"""A prompt whose answer moves is never cached; one whose answer stays may be."""

import pytest

from classifiers.similarity.time_dependent import is_time_dependent


@pytest.mark.parametrize(
    "text",
    [
        "What's the weather in Vienna?",
        "What is the current state of the project?",
        "what is the price of gold",
        "Who is the president of France?",
        "Show me the latest invoices.",
        "Is the shop open today?",
        "How many days until the exam?",
        "What did we decide 3 days ago?",
        "What is planned in two weeks?",
        "What's new in the project?",
        "Which invoices are still open?",
        "Wie ist das Wetter in Wien?",
        "Was kostet Gold aktuell?",
        "Wie hoch ist der Zinssatz der Bank?",
        "Wer ist der Bundeskanzler?",
        "Was wurde vor drei Tagen entschieden?",
        "Zeige mir die neuesten Rechnungen.",
    ],
)
def test_what_moves_depends_on_time(text: str) -> None:
    assert is_time_dependent(text)


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password?",
        "Explain article 17 of the law.",
        "How do I link a card that I already have?",
        "How many people live in a village?",
        "Does the price list name a discount above 100 units?",
        "Translate this sentence to German.",
        "What did Kant mean by reason?",
        "Wie ändere ich mein Passwort?",
        "Fasse mir den Vertrag zusammen.",
        "Wie lautet die Kündigungsfrist von 14 Tagen genau?",
    ],
)
def test_what_stays_does_not(text: str) -> None:
    assert not is_time_dependent(text)


@pytest.mark.parametrize("text", ["Comment ça va ?", "今日の天気は？", "¿Qué tiempo hace?", "", "1 + 1"])
def test_in_a_language_without_lists_everything_may_depend_on_time(text: str) -> None:
    assert is_time_dependent(text)
