"""Does the answer to a prompt depend on when it is asked? Such a prompt is never cached."""

from functools import cache

from classifiers.resources import read_yaml
from classifiers.similarity.lexicon import PACKAGE, Phrases, language
from classifiers.similarity.words import tokens


@cache
def _phrases(name: str) -> Phrases:
    rows = read_yaml(PACKAGE, "time_dependent.yaml")[name]
    return Phrases.of({"always": rows["always"], "subject": rows["subjects"], "asks": rows["asks"]})


def is_time_dependent(text: str) -> bool:
    """Say whether the answer may be another one at another time.

    It says so of a text with a word such as "today" or "latest", of one that asks for a value that moves ("what is the
    price of gold"), and of every text in a language that it has no lists for, because there it cannot tell. What moves
    without such a word ("who leads the league") it does not see: a cache needs a short life all the same.
    """
    found = tokens(text)
    lexicon = language(found)
    if lexicon is None:
        return True
    words = ["0" if token.kind == "number" or token.word in lexicon.numbers else token.word for token in found]
    meanings = {meaning for _, meaning in _phrases(lexicon.name).found(words).values()}
    return "always" in meanings or {"subject", "asks"} <= meanings
