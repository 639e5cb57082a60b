"""The models as each official SDK lists them, and what is answered beside the hot route in each format."""

from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types
from stage import Stage, stage

pytestmark = pytest.mark.slow
INTENTS = ["support", "cached", "unpriced", "claude", "gemini", "vectors"]


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("models") / "home") as opened:
        yield opened


@pytest.fixture(scope="module")
def claude(on: Stage) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=on.url, api_key=on.keys["agent"], max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def gemini(on: Stage, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=on.url, api_version=request.param, timeout=20_000)
    with genai.Client(api_key=on.keys["agent"], http_options=options) as made:
        yield made


def test_openai_s_sdk_lists_the_intents(on: Stage) -> None:
    models = on.client().models
    assert [one.id for one in models.list()] == INTENTS
    assert models.retrieve("claude").object == "model"


def test_anthropic_s_sdk_lists_the_intents(claude: anthropic.Anthropic) -> None:
    page = claude.models.list()
    assert (page.first_id, page.last_id, page.has_more) == (INTENTS[0], INTENTS[-1], False)
    assert [one.id for one in page] == INTENTS
    found = claude.models.retrieve("claude")
    assert (found.type, found.display_name, found.created_at.year) == ("model", "claude", 1970)
    assert claude.models.list(limit=1).has_more is False


def test_gemini_s_sdk_lists_the_intents(gemini: genai.Client) -> None:
    assert [one.name for one in gemini.models.list()] == [f"models/{one}" for one in INTENTS]
    found = gemini.models.get(model="gemini")
    assert (found.name, found.display_name) == ("models/gemini", "gemini")
    assert "generateContent" in (found.supported_actions or [])


def test_under_v1beta_gemini_s_form_is_answered_whatever_the_header_of_the_key(on: Stage) -> None:
    headers = {"authorization": f"Bearer {on.keys['agent']}"}
    answer = httpx2.get(f"{on.url}/v1beta/models", headers=headers).json()
    assert [one["name"] for one in answer["models"]] == [f"models/{one}" for one in INTENTS]


def test_a_model_that_is_not_there_is_an_error_of_the_format(
    on: Stage, claude: anthropic.Anthropic, gemini: genai.Client
) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-9 is not defined") as by_openai:
        on.client().models.retrieve("gpt-9")
    assert by_openai.value.code == "route_unknown"
    with pytest.raises(anthropic.NotFoundError, match="gpt-9 is not defined") as by_anthropic:
        claude.models.retrieve("gpt-9")
    assert by_anthropic.value.type == "not_found_error"
    assert str(by_anthropic.value.request_id).startswith("call_")
    with pytest.raises(genai.errors.ClientError, match="gpt-9 is not defined") as by_gemini:
        gemini.models.get(model="gpt-9")
    assert (by_gemini.value.code, by_gemini.value.status) == (404, "NOT_FOUND")


def test_a_key_that_is_not_known_lists_nothing_in_any_format(on: Stage) -> None:
    for headers, form in (
        ({"authorization": "Bearer wl_prod_nobody"}, "error"),
        ({"x-api-key": "wl_prod_nobody", "anthropic-version": "2023-06-01"}, "type"),
        ({"x-goog-api-key": "wl_prod_nobody"}, "error"),
        ({}, "error"),
    ):
        answer = httpx2.get(f"{on.url}/v1/models", headers=headers)
        assert (answer.status_code, form in answer.json()) == (401, True), headers
        assert "support" not in answer.text


def test_claude_code_s_question_whether_the_gateway_is_there_is_answered(on: Stage) -> None:
    assert httpx2.head(f"{on.url}/api/hello").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "said", "where"),
    [
        ("/v1/messages/batches", {"anthropic-version": "x"}, "send each message by POST /v1/messages", "request_id"),
        ("/v1/v1/messages", {"anthropic-version": "x"}, "base_url must end without it", "request_id"),
        ("/v1/interactions", {"x-goog-api-key": "x"}, "generate_content", "error"),
        ("/v1beta/cachedContents", {}, "not /v1beta/cachedContents", "error"),
        ("/v1beta/models/gemini:predict", {}, "streamGenerateContent, countTokens", "error"),
        ("/v1beta/v1beta/models/gemini:generateContents", {}, "the client adds /v1beta itself", "error"),
        ("/models/gemini:generateContent", {"x-goog-api-key": "x"}, "/v1beta/models/gemini:generateContent", "error"),
    ],
)
def test_a_wrong_path_is_told_in_the_form_of_the_client(
    on: Stage, path: str, headers: dict[str, str], said: str, where: str
) -> None:
    answer = httpx2.post(f"{on.url}{path}", json={}, headers=headers)
    assert answer.status_code == 404
    assert said in answer.json()["error"]["message"]
    assert where in answer.json()
    assert ("status" in answer.json()["error"]) is ("anthropic-version" not in headers)


def test_anthropic_s_sdk_reads_what_a_wrong_path_says(on: Stage, claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="base_url must end without it"):
        claude.with_options(base_url=f"{on.url}/v1").messages.create(model="claude", max_tokens=9, messages=[])
