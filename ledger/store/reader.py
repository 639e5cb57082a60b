"""Reading the log: entries, what is found by what, sealed contents, state; the tree over it is `ledger.store.tree`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, inspect, text

from ledger.canonical import load_plain
from ledger.entry import Entry, Sealed, decode
from ledger.store import writer
from ledger.store.driver import POSTGRESQL, reading
from ledger.store.ranks import Identifier, Ranks
from ledger.store.tree import Tree

_PAGE = 1000
_AMONG = 500
MAX_ATS = 50_000
"""Times of entries kept at hand."""


class Reader:
    """Read-only access. Each method is one snapshot; a caller that needs several at one point passes sizes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.tree = Tree(self._rows_of)
        self._ats: dict[int, str] = {}
        self._ranks = Ranks(self._linked)

    def forget(self) -> None:
        """Forget what was kept at hand: the database is another one by now."""
        self.tree = Tree(self._rows_of)
        self._ats = {}
        self._ranks = Ranks(self._linked)

    def revision(self) -> str | None:
        """Return the schema revision that migrations recorded, or None when there is none."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    def head(self) -> writer.Head:
        with reading(self._engine) as driver:
            return writer.read_head(driver)

    def _rows_of(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with reading(self._engine) as driver:
            return list(driver.execute(statement, values))

    def _rows_among(self, statement: str, column: str, wanted: Iterable[Any], *more: Any) -> Iterator[Any]:
        """Yield the rows of a statement that ends in a condition, whose column is among `wanted`."""
        values = list(wanted)
        with reading(self._engine) as driver:
            for at in range(0, len(values), _AMONG):
                condition, bound = driver.among(column, values[at : at + _AMONG])
                yield from driver.execute(f"{statement} {condition}", (*more, *bound))

    def raw(self, low: int, high: int) -> Iterator[bytes]:
        """Yield the stored bytes of the entries [low, high), a page at a time."""
        for start in range(low, high, _PAGE):
            statement = "SELECT bytes FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
            yield from (row[0] for row in self._rows_of(statement, (start, min(start + _PAGE, high))))

    def reread(self, low: int, high: int) -> list[bytes]:
        """Return the stored bytes of the entries [low, high), which should be at most some thousands.

        As `raw`, for the signer, which reads everything that was just written while the loop writes on: SQLite lets go
        of the interpreter's lock at every row, and to get it back 2,000 times a second cost more than reading. So the
        rows come as one value; canonical JSON holds no line end.
        """
        if self._engine.dialect.name == POSTGRESQL:
            return list(self.raw(low, high))
        query = (
            "SELECT CAST(group_concat(CAST(bytes AS TEXT), char(10)) AS BLOB) FROM "
            "(SELECT bytes FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq)"
        )
        ((joined,),) = self._rows_of(query, (low, high))
        return joined.split(b"\n") if joined else []

    def entry(self, seq: int) -> Entry:
        (data,) = self.raw(seq, seq + 1)
        return decode(data)

    def find(self, kind: str, value: str, *, limit: int | None = None) -> list[int]:
        """Return the numbers of the entries linked to this identifier, in log order; with `limit` the first ones."""
        most = "" if limit is None else f" LIMIT {limit:d}"
        statement = f"SELECT seq FROM ref WHERE kind = ? AND value = ? ORDER BY seq{most}"
        return [row[0] for row in self._rows_of(statement, (kind, value))]

    def briefs(self, kind: str, value: str) -> list[tuple[int, str | None]]:
        """As `find`, each number with what its link says of the entry in brief."""
        statement = "SELECT seq, brief FROM ref WHERE kind = ? AND value = ? ORDER BY seq"
        return self._rows_of(statement, (kind, value))

    def linked(self, kind: str) -> list[tuple[int, str]]:
        """Return every link of a kind, entry and identifier, in log order: for kinds of which a log has few."""
        return self._rows_of("SELECT seq, value FROM ref WHERE kind = ? ORDER BY seq", (kind,))

    def find_each(self, kind: str, values: Iterable[str]) -> dict[str, list[int]]:
        """As `find`, for many identifiers of one kind at once; those that lead nowhere are left out."""
        found: dict[str, list[int]] = {}
        statement = "SELECT value, seq FROM ref WHERE kind = ? AND"
        for value, seq in self._rows_among(statement, "value", dict.fromkeys(values), kind):
            found.setdefault(value, []).append(seq)
        return {value: sorted(seqs) for value, seqs in found.items()}

    def count(self, kind: str, value: str, low: int, high: int) -> int:
        """Return how many of the entries [low, high) are linked to this identifier."""
        return max(0, self._ranks.below((kind, value), high) - self._ranks.below((kind, value), low))

    def _linked(self, identifier: Identifier, after: int, skipped: int, most: int) -> list[int]:
        statement = "SELECT seq FROM ref WHERE kind = ? AND value = ? AND seq > ? ORDER BY seq LIMIT ? OFFSET ?"
        return [row[0] for row in self._rows_of(statement, (*identifier, after, most, skipped))]

    def stored(self, seqs: Iterable[int]) -> dict[int, bytes]:
        """Return the stored bytes of the given entries, by number."""
        return dict(self._rows_among("SELECT seq, bytes FROM entry WHERE", "seq", sorted(set(seqs))))

    def entries(self, seqs: Iterable[int]) -> list[Entry]:
        """Return the given entries in log order."""
        return [decode(data) for _, data in sorted(self.stored(seqs).items())]

    def first_at_or_after(self, instant: str, size: int) -> int:
        """Return the number of the first entry whose `at` is not before `instant`, or `size` (binary search)."""
        first = 0
        for height in reversed(range(size.bit_length())):  # asks for the same numbers while the log grows
            if first + (1 << height) <= size and self._at(first + (1 << height) - 1) < instant:
                first += 1 << height
        return first

    def _at(self, seq: int) -> str:
        """Return when an entry was appended; a search asks for the same few again and again."""
        if seq not in self._ats:
            if len(self._ats) >= MAX_ATS:
                self._ats.clear()
            self._ats[seq] = self.entry(seq).at
        return self._ats[seq]

    def contents(self, seq: int) -> Sealed | None:
        """Return the sealed contents kept for an entry."""
        return self.contents_of([seq]).get(seq)

    def contents_of(self, seqs: Iterable[int]) -> dict[int, Sealed]:
        """Return the sealed contents that are kept for the given entries, by number."""
        statement = "SELECT seq, key, ciphertext FROM content WHERE"
        rows = self._rows_among(statement, "seq", sorted(set(seqs)))
        return {seq: Sealed(key=key, ciphertext=ciphertext) for seq, key, ciphertext in rows}

    def state(self, key: str) -> Any:
        """Return one state row's value, or None."""
        with reading(self._engine) as driver:
            return writer.load_state(driver, [key]).get(key)

    def states(self, prefix: str) -> dict[str, Any]:
        """Return the state rows whose key starts with `prefix`."""
        return self.states_between(prefix, prefix + "\U0010ffff")

    def states_between(self, low: str, high: str) -> dict[str, Any]:
        """Return the state rows with `low` <= key < `high`, in the order of their keys."""
        return dict(self.each_state_between(low, high))

    def each_state_between(self, low: str, high: str) -> Iterator[tuple[str, Any]]:
        """Yield what `states_between` returns: many rows take less time when they need not all be held."""
        statement = "SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key"
        for key, value in self._rows_of(statement, (low, high)):
            yield key, load_plain(value)

    def states_of(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the state rows of the given keys; those that do not exist are left out."""
        with reading(self._engine) as driver:
            return writer.load_state(driver, keys)
