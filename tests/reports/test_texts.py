"""The catalogue of texts: complete, and a translation changes texts and nothing else."""

import re
from importlib.resources import files

import pytest
from jinja2 import Environment

from gateway.oversight.translating import blank, texts
from reports.texts import ENGLISH, PACKAGE, TEMPLATES, Translation, TranslationInvalid, read_translation, spans


def source(name: str) -> str:
    return files(PACKAGE).joinpath("templates", name).read_text("utf-8")


@pytest.mark.parametrize("name", TEMPLATES)
def test_english_leaves_a_template_as_it_is_and_spans_do_not_overlap(name: str) -> None:
    assert ENGLISH.apply(source(name)) == source(name)
    edges = [edge for start, end, _ in spans(source(name)) for edge in (start, end)]
    assert edges == sorted(edges)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_word_a_template_prints_is_in_the_catalogue(name: str) -> None:
    """By Jinja's own parser: what it outputs as it stands, without markup, holds no word that is not part of a text."""
    known = " ".join(" ".join(texts()).split())
    environment = Environment(extensions=[])
    for _, kind, value in environment.lex(source(name)):
        if kind != "data":
            continue
        for run in re.split(r"<style>.*?</style>|<[^>]*>|<[^>]*$|^[^<]*>", value, flags=re.DOTALL):
            for words in re.findall(r"[A-Za-z][A-Za-z ,;']{3,}[A-Za-z]", run):
                assert " ".join(words.split()) in known, words


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_translation_of_everything_changes_every_text_and_stays_a_template(name: str) -> None:
    marked = {text: f"§{text}" for text in texts()}
    translated = read_translation({"language": "xx", "texts": marked}, texts()).apply(source(name))
    Environment().parse(translated)
    found = [text for _, _, text in spans(translated)]
    assert found
    assert all(text.startswith("§") for text in found)
    assert translated.replace("§", "") == source(name)


@pytest.mark.parametrize(
    ("english", "said", "why"),
    [
        ("no such text", "x", "no text of this version"),
        ("of a log of {{ said.size }}", "eines Protokolls", "keeps not each"),
        ("of a log of {{ said.size }}", "{{ said.size }} {{ said.log }}", "keeps not each"),
        ("Organisation", "<b>Firma</b>", "markup"),
        ("Organisation", "{% raw %}", "markup"),
        ("Organisation", 'Fir"ma', "markup"),
        ("Organisation", "Firma {{", "markup"),
    ],
)
def test_a_translation_that_does_not_fit_is_refused_by_the_name_of_the_text(english: str, said: str, why: str) -> None:
    with pytest.raises(TranslationInvalid, match=why):
        read_translation({"language": "de", "texts": {english: said}}, texts())


@pytest.mark.parametrize(
    "document", [None, [], {"texts": {}}, {"language": "de", "texts": []}, {"language": "d e", "texts": {}}]
)
def test_what_is_no_translation_is_refused(document: object) -> None:
    with pytest.raises(TranslationInvalid):
        read_translation(document, texts())


def test_the_blank_file_holds_every_text_and_translates_nothing() -> None:
    from classifiers.resources import parsed

    read = read_translation(parsed(blank("de").encode()), texts())
    assert read == Translation("de", {})
    assert list(parsed(blank("de").encode())["texts"]) == texts()
