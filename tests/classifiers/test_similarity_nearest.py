"""The store finds what a search without any store finds, forgets what is too old, and stays within its bounds."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from classifiers.similarity.nearest import Match, Nearest

ROWS, PARTITIONS, SECONDS = 11, 2, 20
UNITS = [tuple(float(at == one) * sign for at in range(4)) for one in range(4) for sign in (1, -1)]
HALVES = [(0.5 * a, 0.5 * b, 0.5 * c, 0.5 * d) for a in (1, -1) for b in (1, -1) for c in (1, -1) for d in (1, -1)]
VECTORS = st.sampled_from(UNITS + HALVES)  # products of these are exact, so that ties are ties
KEYS, NAMES = st.integers(0, 30), st.sampled_from(["x", "y", "z"])


class AgainstLists(RuleBasedStateMachine):
    """Whatever is done to the store is done to a list, the row that was not used for the longest time first."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Nearest(width=4, rows=ROWS, partitions=PARTITIONS, seconds=SECONDS)
        self.lists: dict[str, list[tuple[int, tuple[float, ...], float, int]]] = {}
        self.now, self.count = 1000.0, 0

    @rule(seconds=st.integers(0, 9))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(name=NAMES, key=KEYS, vector=VECTORS)
    def add(self, name: str, key: int, vector: tuple[float, ...]) -> None:
        rows = self.lists.pop(name, [])
        left = {(name, row[0]) for row in rows if self.now - row[2] >= SECONDS}
        rows = [row for row in rows if self.now - row[2] < SECONDS]
        if key not in [row[0] for row in rows] and len(rows) == ROWS:
            left.add((name, rows.pop(0)[0]))
        rows = [*(row for row in rows if row[0] != key), (key, vector, self.now, self.count)]
        if len(self.lists) == PARTITIONS:
            other = next(iter(self.lists))
            left |= {(other, row[0]) for row in self.lists.pop(other)}
        self.lists[name] = rows
        self.count += 1
        assert set(self.store.add(name, key, vector, at=self.now)) == left

    @rule(name=NAMES, vector=VECTORS, count=st.integers(0, 12))
    def nearest(self, name: str, vector: tuple[float, ...], count: int) -> None:
        rows = [row for row in self.lists.get(name, []) if self.now - row[2] < SECONDS]
        products = [(sum(a * b for a, b in zip(row[1], vector, strict=True)), row) for row in rows]
        products.sort(key=lambda pair: (-pair[0], pair[1][3]))
        expected = tuple(Match(row[0], product) for product, row in products)[:count]
        assert self.store.nearest(name, vector, count, at=self.now) == expected
        assert self.store.best(name, vector, at=self.now) == (
            Match(products[0][1][0], products[0][0]) if rows else None
        )

    @rule(name=NAMES, key=KEYS)
    def use(self, name: str, key: int) -> None:
        rows = self.lists.get(name, [])
        if key in [row[0] for row in rows]:
            rows.sort(key=lambda row: row[0] == key)
            self.lists[name] = self.lists.pop(name)
        self.store.use(name, key)

    @rule(name=NAMES, remainder=st.integers(0, 2))
    def remove(self, name: str, remainder: int) -> None:
        gone = {(name, row[0]) for row in self.lists.get(name, []) if row[0] % 3 == remainder}
        self.lists = {
            other: kept
            for other, rows in self.lists.items()
            if (kept := [row for row in rows if (other, row[0]) not in gone])
        }
        assert set(self.store.remove(lambda partition, key: partition == name and key % 3 == remainder)) == gone  # type: ignore[operator]

    @invariant()
    def there_are_as_many(self) -> None:
        assert len(self.store) == sum(map(len, self.lists.values()))


TestAgainstLists = AgainstLists.TestCase
TestAgainstLists.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_it_finds_the_nearest_of_any_vectors(seed: int, count: int) -> None:
    made = np.random.default_rng(seed).normal(size=(count + 1, 16))
    vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    store = Nearest(width=16, rows=count, partitions=1, seconds=1)
    for at, vector in enumerate(vectors[:-1]):
        store.add("x", at, vector, at=0)
    products = vectors[:-1] @ vectors[-1]
    found = store.best("x", vectors[-1], at=0)
    assert found is not None
    assert found.similarity == pytest.approx(products.max(), abs=1e-6)
    assert products[found.key] == pytest.approx(products.max(), abs=1e-6)  # type: ignore[call-overload]


def test_partitions_never_meet() -> None:
    store = Nearest(width=4, rows=5, partitions=5, seconds=1)
    store.add("x", "a", UNITS[0], at=0)
    assert store.best("y", UNITS[0], at=0) is None
    assert store.best("x", UNITS[0], at=0) == Match("a", 1.0)


@pytest.mark.parametrize("vector", [(1.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0), (0.0,) * 4, (float("nan"), 0, 0, 1)])
def test_a_vector_of_another_shape_or_length_is_an_error(vector: tuple[float, ...]) -> None:
    store = Nearest(width=4, rows=5, partitions=5, seconds=1)
    with pytest.raises(ValueError, match="4 numbers and length one"):
        store.add("x", "a", vector, at=0)
    with pytest.raises(ValueError, match="4 numbers and length one"):
        store.best("x", vector, at=0)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"rows": 0}, {"partitions": 0}, {"seconds": 0.0}])
def test_bounds_are_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Nearest(**({"width": 4, "rows": 5, "partitions": 5, "seconds": 1} | wrong))  # type: ignore[arg-type]


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_one_sentence_names_it() -> None:
    run(
        "import sys; sys.modules['numpy'] = None\n"
        "from classifiers.similarity.nearest import Nearest\n"
        "try: Nearest(width=4, rows=5, partitions=5, seconds=1)\n"
        "except ImportError as error: assert str(error) == \"numpy is not installed: pip install 'whyledger[similarity]'\", error\n"
        "else: raise SystemExit('no error')"
    )


def test_the_guards_load_neither_numpy_nor_tokenizers() -> None:
    run(
        "import sys\n"
        "from classifiers.similarity import minilm, near_miss, nearest, time_dependent, trust\n"
        "near_miss.difference('How are you?', 'Who are you?'); time_dependent.is_time_dependent('now'); trust.may_serve(1, 0)\n"
        "assert not {'numpy', 'tokenizers'} & set(sys.modules)"
    )
