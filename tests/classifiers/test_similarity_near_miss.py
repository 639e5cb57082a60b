"""Two prompts that differ in a number, a name or a "not" never share an answer; another wording alone may."""

import random
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from classifiers.similarity.lexicon import Lexicon, lexicons
from classifiers.similarity.near_miss import GUARDS, MOST_CHARACTERS, difference

DIFFERENT = {
    "numbers": [
        ("Transfer 100 to the savings account.", "Transfer 150 to the savings account."),
        ("Transfer one hundred and fifty to the savings account.", "Transfer 100 to the savings account."),
        ("What changed in version 2?", "What changed in version two point one?"),
        ("What changed in release 1.2.3?", "What changed in release 1.3.2?"),
        ("Show the third invoice.", "Show the 4th invoice."),
        ("Give me 3 examples of metaphors.", "Give me five examples of metaphors."),
        ("The meeting is at 10:30, remind the team.", "The meeting is at 11:30, remind the team."),
        ("I want to fly on 3/4/2025.", "I want to fly on 4/3/2025."),
        ("Explain the -v flag of this tool.", "Explain the -i flag of this tool."),
        ("Fix the bug in parse_date().", "Fix the bug in parse_time()."),
        ("Is 5 > 3 in this language?", "Is 5 < 3 in this language?"),
        ("Tell me about IT.", "Tell me about it."),
        ("Answer the mail with 👍 only.", "Answer the mail with 👎 only."),
        ("How do I install C++ here?", "How do I install C# here?"),
        ("What is ticket AB-1234 about?", "What is ticket AB-1243 about?"),
        ("Gib mir drei Beispiele.", "Gib mir vier Beispiele."),
        ("Der Umsatz betrug 1.000 Euro.", "Der Umsatz betrug 1,000 Euro."),
    ],
    "dates": [
        ("Is the office open on Monday?", "Is the office open on Tuesday?"),
        ("Show invoices due today.", "Show invoices due tomorrow."),
        ("Is the office open in the morning?", "Is the office open in the evening?"),
        ("What is due in May?", "What is due in June?"),
        ("The patient takes 5 mg daily.", "The patient takes 5 mg weekly."),
        ("Remind me in two hours.", "Remind me in two days."),
        ("Wann kommt die Lieferung heute?", "Wann kommt die Lieferung morgen?"),
    ],
    "units": [
        ("How much is 100 euros in yen?", "How much is 100 dollars in yen?"),
        ("How big is the garden in metres?", "How big is the garden in feet?"),
        ("Pay € 5 to the shop.", "Pay $ 5 to the shop."),
        ("What is 20% of 80?", "What is 20 of 80?"),
        ("Book a table for two at 7 am.", "Book a table for two at 7 pm."),
        ("Die Datei ist 5 MB groß, was tun?", "Die Datei ist 5 GB groß, was tun?"),
    ],
    "comparisons": [
        ("Show orders over 50 items.", "Show orders under 50 items."),
        ("List parcels of more than 30 kg.", "List parcels of at least 30 kg."),
        ("Are there at least two exits?", "Are there at most two exits?"),
        ("Show invoices due before Friday.", "Show invoices due on Friday."),
        ("Zeige alle Rechnungen über 100 Euro.", "Zeige alle Rechnungen unter 100 Euro."),
        ("Mindestens drei Angebote einholen", "Höchstens drei Angebote einholen"),
    ],
    "names": [
        ("Who manages the account of Umbrella?", "Who manages the account of Initech?"),
        ("Please summarise what Dr. Smith said.", "Please summarise what Dr. Jones said."),
        ("Write about a day in Rome.", "Could you write something about Oslo and a day there?"),
        ("Explain the `join` function.", "Explain the `split` function."),
        ("Wann beginnt das Schuljahr in Bayern?", "Wann beginnt das Schuljahr in Hessen?"),
    ],
    "negation": [
        ("Can I cancel the order?", "Can't I cancel the order?"),
        ("Which countries are in the list?", "Which countries are not in the list?"),
        ("Which users have logged in?", "Which users have never logged in?"),
        ("Can I take it with alcohol?", "Can I take it without alcohol?"),
        ("Welche Kunden haben bezahlt?", "Welche Kunden haben nicht bezahlt?"),
    ],
    "opposites": [
        ("How do I turn on the alarm?", "How do I turn off the alarm?"),
        ("How do I enable two-factor login?", "How can two-factor login be disabled?"),
        ("What should I do ahead of and before the meeting?", "What should I do ahead of and after the meeting?"),
        ("Which drug increases blood pressure?", "Which drug decreases blood pressure?"),
        ("Is it legal to record calls?", "Is it illegal to record calls?"),
        ("Who won the game?", "Who lost the game?"),
        ("Show the first invoice.", "Show the last invoice."),
        ("Wie schalte ich die Benachrichtigungen ein?", "Wie schalte ich die Benachrichtigungen aus?"),
        ("Wer hat den Antrag genehmigt?", "Wer hat den Antrag abgelehnt?"),
    ],
    "scope": [
        ("Show invoices of the customer.", "Show the first invoices of the customer."),
        ("Delete all drafts.", "Delete only drafts."),
        ("Is she a nurse or a teacher?", "Is she both a nurse and a teacher?"),
        ("How can I become patient?", "How can I become a less patient person?"),
        ("Zeige mir alle Entwürfe.", "Zeige mir nur Entwürfe."),
    ],
    "questions": [
        ("Why was my card declined?", "When was my card declined?"),
        ("What is the virtual card?", "Where is the virtual card?"),
        ("Who approved the request?", "Why was the request approved?"),
        ("Wie lange ist mein Urlaub?", "Wann ist mein Urlaub?"),
    ],
    "direction": [
        ("Show flights from Paris to London.", "Show flights from London to Paris."),
        ("Does the manager report to the director?", "Does the director report to the manager?"),
        ("Do cats chase dogs?", "Do dogs chase cats?"),
        ("Does Anna support Ben?", "Is Anna supported by Ben?"),
        ("I want 5 apples and 10 pears.", "Please get me 5 pears and 10 apples."),
        ("Flüge von Wien nach Berlin", "Flüge von Berlin nach Wien"),
    ],
    "small words": [
        ("Is the shop open?", "Was the shop open?"),
        ("Is she a nurse?", "Did she use to be a nurse?"),
        ("How do I transfer money using a card?", "How can I transfer money to a card?"),
        ("Convert the file to PDF.", "Convert the file from PDF."),
        ("Is the key in the drawer?", "Is the key on the drawer?"),
        ("Which of my colleagues speak French?", "Which of your colleagues speak French?"),
        ("Are you there?", "Is it this?"),
        ("Muss ich Steuern zahlen?", "Kann ich Steuern zahlen?"),
    ],
    "words": [
        ("How much does the basic plan cost?", "How much does the premium plan cost?"),
        ("Show unpaid invoices.", "Show invoices."),
        ("How do I change my billing address?", "I want to change my shipping address, how?"),
        ("How do I change my email?", "How can I change my password?"),
        ("do cats like milk", "do hamsters like milk"),
        ("what is the capital of niger", "what is the capital of nigeria"),
        ("Give me a recipe with chicken.", "Give me a recipe with beef."),
        ("Translate the letter for the customer.", "Summarise the letter for the customer."),
    ],
    "language": [
        ("Comment puis-je changer mon mot de passe ?", "Comment changer mon mot de passe ?"),
        ("¿Cuánto cuesta el plan básico?", "¿Cuánto cuesta el plan premium?"),
        ("Hoe kan ik mijn wachtwoord wijzigen?", "Hoe wijzig ik mijn wachtwoord?"),
        ("Jak mogę zmienić hasło do konta?", "Jak zmienić hasło do konta?"),
        ("パスワードを変更する方法は？", "パスワードの変更方法は？"),
        ("How do I change my password?", "Wie ändere ich mein Passwort?"),
    ],
    "length": [("Summarise this: " + "word " * MOST_CHARACTERS, "Please summarise this: " + "word " * MOST_CHARACTERS)],
}  # fmt: skip
SAME = [
    ("How do I reset my password?", "how do I  reset my password"),
    ("How do I reset my password?", "What are the steps to reset my password?"),
    ("How do I reset my password?", "Please tell me how to reset my password."),
    ("What is the refund policy?", "Could you explain the refund policy?"),
    ("What is the refund policy?", "What's the refund policy?"),
    ("Show me all invoices over 1,000 euros.", "Display all invoices above EUR 1000."),
    ("List the invoices of Umbrella from May 2025.", "Give me the invoices from May 2025 for Umbrella."),
    ("Who is the manager of Anna Schmidt?", "Who is Anna Schmidt's manager?"),
    ("Is the third quarter report available?", "Is the 3rd quarter report available?"),
    ("Summarize this article in three sentences.", "Summarise this article in 3 sentences."),
    ("What is a visible mark?", "What is a mark that is not invisible?"),
    ("Does the hotel have a pool?", "Is there a pool at the hotel?"),
    ("Wie setze ich mein Passwort zurück?", "Wie kann ich mein Passwort zurücksetzen?"),
    ("Wie kündige ich mein Abo?", "Bitte, wie kann ich mein Abo kündigen?"),
    ("Was kostet der Versand?", "Was kostet eigentlich der Versand?"),
]
SENTENCES = sorted(
    {text for pairs in [*DIFFERENT.values(), SAME] for pair in pairs for text in pair if len(text) < 200}
)
TEXTS = (
    st.sampled_from(SENTENCES) | st.text(max_size=60) | st.lists(st.sampled_from(SENTENCES), max_size=3).map(" ".join)
)


@pytest.mark.parametrize(
    ("reason", "a", "b"), [(reason, *pair) for reason, pairs in DIFFERENT.items() for pair in pairs]
)
def test_near_misses_are_refused_for_what_makes_the_difference(reason: str, a: str, b: str) -> None:
    assert difference(a, b) == reason


@pytest.mark.parametrize(("a", "b"), SAME)
def test_another_wording_of_the_same_question_is_no_difference(a: str, b: str) -> None:
    assert difference(a, b) is None


@given(TEXTS, TEXTS)
def test_what_differs_does_so_from_both_sides_and_is_told_by_a_fixed_word(a: str, b: str) -> None:
    found = difference(a, b)
    assert found == difference(b, a)
    assert found in {None, *GUARDS, "words", "language", "length"}


@given(st.text(max_size=200) | TEXTS)
def test_a_text_does_not_differ_from_itself_or_from_its_copy_with_other_white_space(text: str) -> None:
    assert difference(text, text) is None
    assert difference(text, f"  {text}\n") is None


@given(st.sampled_from(SENTENCES), st.integers(10_000, 10**9), st.data())
def test_another_number_anywhere_always_makes_a_difference(text: str, number: int, data: st.DataObject) -> None:
    words = text.split(" ")
    words.insert(data.draw(st.integers(0, len(words))), str(number))
    assert difference(text, " ".join(words)) is not None


@given(st.sampled_from(SENTENCES), st.sampled_from(["Zanzibar", "Wolfgang", "Initrode"]))
def test_a_name_more_at_the_end_always_makes_a_difference(text: str, name: str) -> None:
    assert difference(text, f"{text.rstrip('.?')} {name}?") is not None


@given(st.sampled_from(SENTENCES), st.sampled_from(["not", "nicht", "never", "ohne"]), st.data())
def test_a_negation_anywhere_always_makes_a_difference(text: str, negation: str, data: st.DataObject) -> None:
    words = text.split(" ")
    words.insert(data.draw(st.integers(1, len(words))), negation)
    assert difference(text, " ".join(words)) is not None


@given(st.sampled_from(SENTENCES), st.randoms(use_true_random=False))
def test_the_same_words_in_another_order_always_make_a_difference(text: str, draw: random.Random) -> None:
    words = text.rstrip(".?!").split()
    mixed = draw.sample(words, len(words))
    assume([word.lower() for word in mixed] != [word.lower() for word in words])
    assert difference(" ".join(words), " ".join(mixed)) is not None


@given(st.sampled_from(SENTENCES), st.sampled_from(SENTENCES))
def test_a_stricter_guard_refuses_whatever_a_laxer_one_refuses(a: str, b: str) -> None:
    lax, usual, strict = (difference(a, b, strictness=level) is not None for level in range(3))
    assert lax <= usual <= strict


def test_strictness_decides_on_words_without_a_counterpart() -> None:
    few = ("How do I change my billing address?", "I want to change my shipping address, how?")
    assert [difference(*few, strictness=level) for level in range(3)] == [None, "words", "words"]
    many = (
        "Draft a friendly letter to every tenant about the broken lift in our house and the repair",
        "About the repair of the broken lift in our building, draft a friendly letter to every tenant",
    )
    assert [difference(*many, strictness=level) for level in range(3)] == [None, None, "words"]


@pytest.mark.parametrize(
    ("lexicon", "frame"),
    list(
        zip(lexicons(), ["Can you explain {} for the house?", "Kannst du mir sagen ob {} für das Haus?"], strict=True)
    ),
    ids=["english", "german"],
)
def test_no_two_opposites_of_the_lists_may_be_exchanged(lexicon: Lexicon, frame: str) -> None:
    pairs = [pair for row in lexicon.rows["opposites"] for pair in combinations(row, 2)]
    opposed = [(one, other) for one, other in pairs if not lexicon.keys(one) & lexicon.keys(other)]
    assert len(opposed) > 0.9 * len(pairs)  # the others are equals too: two ways to say no
    for one, other in opposed:
        assert lexicon.opposed(one, other), (one, other)
        assert difference(frame.format(one), frame.format(other)) is not None, (one, other)


@pytest.mark.parametrize("lexicon", lexicons(), ids=lambda one: one.name)
def test_the_lists_hold_words_in_lower_case_and_each_row_several(lexicon: Lexicon) -> None:
    for name in ("function", "fillers", "negation", "directions", "passive", "one", "beside_numbers"):
        assert all(isinstance(word, str) and word == word.lower() for word in lexicon.rows[name]), name
    for name in ("opposites", "complements", "equals_of_wording", "equals_of_substance"):
        for row in lexicon.rows[name]:
            assert len(set(row)) == len(row) > 1, row
            assert all(isinstance(word, str) and word == word.lower() for word in row), row
    assert all(isinstance(word, str) for word in lexicon.rows["numbers"])
    assert all(words for phrases in lexicon.phrases.values() for words in phrases.meanings)
