"""Sets of words 1-2 and characters 2-5 of the windows of a text, as places in tables of weights. Pure.

Each n-gram counts once in a window, and a window's sums are divided by the length of its vector.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW, STEP = 400, 200
"""Characters of a window, and from the beginning of one to that of the next."""
LONGEST = 5
"""Characters of the longest n-gram; the shortest has two."""
BITS = 18
"""Of a place in a table: 2**18 weights for words and as many for characters."""
_MULTIPLIER = np.uint32(0x9E3779B1)

KEY_BITS = BITS + 1
"""Of a key: which table, and the place in it. The window stands before them."""

Keys = NDArray[np.uint32]


def windows_of(length: int) -> list[tuple[int, int]]:
    """Return beginning and end of each window of a text of so many characters. The last one is never a small rest."""
    return [(start, min(start + WINDOW, length)) for start in range(0, max(1, length - (WINDOW - STEP)), STEP)]


def keys_of(text: str) -> NDArray[np.unsignedinteger[Any]]:
    """Return the n-grams of every window of a text, each once in a window, in order.

    A key is the number of the window, then 0 for words and 1 for characters, then the place in that table. Of a text of
    more than 8,192 windows (1.6 million characters) it has 64 bits.
    """
    last = np.uint32(len(windows_of(len(text))) - 1)
    width: type[np.unsignedinteger[Any]] = np.uint32 if last < 1 << (32 - KEY_BITS) else np.uint64
    starts, places = grams_of(text)
    begun = starts // np.uint32(STEP)  # an n-gram is of the last window that begins before it, and of the one before
    windows = np.concatenate((np.minimum(begun, last), np.maximum(begun, np.uint32(1)) - np.uint32(1)))
    keys = np.sort((windows.astype(width) << width(KEY_BITS)) | np.concatenate((places, places)))
    first: NDArray[np.bool_] = np.diff(keys, prepend=~keys[:1]) != 0
    return keys[first]


def grams_of(text: str) -> tuple[Keys, Keys]:
    """Return where each n-gram begins, and its key without the window."""
    points = np.frombuffer((text + "  ").encode("utf-32-le", "surrogatepass"), np.uint32)
    begins, words = _words(points)
    every, running = np.arange(len(text), dtype=np.uint32), points[: len(text)]
    starts, hashes = [begins, begins[:-1]], [words, words[:-1] * _MULTIPLIER + words[1:] + np.uint32(1)]
    for size in range(2, LONGEST + 1):
        running = running[:-1] * _MULTIPLIER + points[size - 1 : len(text)]
        starts.append(every[: len(running)])
        hashes.append(running + np.uint32(size))
    places = _folded(np.concatenate(hashes))
    places[len(words) + len(hashes[1]) :] |= np.uint32(1 << BITS)
    return np.concatenate(starts), places


def _words(points: Keys) -> tuple[Keys, Keys]:
    """Return where runs of letters and digits begin, and a hash of each; what is not ASCII counts as a letter.

    The hash adds up the word's pairs of characters, the last one with the end of the word. Behind the last word stand
    two spaces.
    """
    inside = _letters()[np.minimum(points, 128)]
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    edges = np.concatenate(([0], edges)) if inside[0] else edges
    letters = points * inside
    pairs = _mixed(letters[:-1] * _MULTIPLIER + letters[1:])
    words = np.add.reduceat(pairs, edges, dtype=np.uint32)[::2] if len(edges) else points[:0]
    return edges[::2].astype(np.uint32), words


def _folded(hashes: Keys) -> Keys:
    mixed = _mixed(hashes)
    return (mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35) >> np.uint32(32 - BITS)


def _mixed(hashes: Keys) -> Keys:
    return (hashes ^ (hashes >> np.uint32(15))) * np.uint32(0x85EBCA6B)


@cache
def _letters() -> NDArray[np.bool_]:
    return np.array([chr(point).isalnum() for point in range(128)] + [True])
