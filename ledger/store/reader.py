"""Reading the log: entries, what is found by what, subtree roots from tiles, sealed contents, state."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, func, inspect, select, text

from ledger import merkle
from ledger.entry import Entry, Sealed, decode
from ledger.store import tables, writer
from ledger.store.driver import Driver

_PAGE = 1000


class Reader:
    """Read-only access. Each method is one snapshot; a caller that needs several at one point passes sizes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def revision(self) -> str | None:
        """Return the schema revision that migrations recorded, or None when there is none."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    def head(self) -> writer.Head:
        with self._engine.connect() as connection:
            return writer.read_head(Driver.of(connection))

    def raw(self, low: int, high: int) -> Iterator[bytes]:
        """Yield the stored bytes of the entries [low, high), a page at a time."""
        for start in range(low, high, _PAGE):
            end = min(start + _PAGE, high)
            at = tables.entry.c.seq
            with self._engine.connect() as connection:
                rows = connection.execute(select(tables.entry.c.bytes).where(at >= start, at < end).order_by(at)).all()
            yield from (row[0] for row in rows)

    def entry(self, seq: int) -> Entry:
        (data,) = self.raw(seq, seq + 1)
        return decode(data)

    def find(self, kind: str, value: str) -> list[int]:
        """Return the numbers of the entries linked to this identifier, in log order."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(tables.ref.c.seq)
                .where(tables.ref.c.kind == kind, tables.ref.c.value == value)
                .order_by(tables.ref.c.seq)
            )
            return [row[0] for row in rows]

    def count(self, kind: str, value: str, low: int, high: int) -> int:
        """Return how many of the entries [low, high) are linked to this identifier."""
        at = tables.ref.c.seq
        query = select(func.count()).where(tables.ref.c.kind == kind, tables.ref.c.value == value, at >= low, at < high)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def entries(self, seqs: Sequence[int]) -> list[Entry]:
        """Return the given entries in log order."""
        found: dict[int, Entry] = {}
        wanted = sorted(set(seqs))
        with self._engine.connect() as connection:
            for at in range(0, len(wanted), 500):
                rows = connection.execute(
                    select(tables.entry.c.seq, tables.entry.c.bytes).where(
                        tables.entry.c.seq.in_(wanted[at : at + 500])
                    )
                )
                found.update({seq: decode(data) for seq, data in rows})
        return [found[seq] for seq in wanted if seq in found]

    def first_at_or_after(self, instant: str, size: int) -> int:
        """Return the number of the first entry whose `at` is not before `instant`, or `size` (binary search)."""
        low, high = 0, size
        while low < high:
            middle = (low + high) // 2
            if self.entry(middle).at < instant:
                low = middle + 1
            else:
                high = middle
        return low

    def leaf_hashes(self, low: int, high: int) -> list[bytes]:
        at = tables.entry.c.seq
        with self._engine.connect() as connection:
            rows = connection.execute(select(tables.entry.c.leaf_hash).where(at >= low, at < high).order_by(at))
            return [row[0] for row in rows]

    def subtree(self, low: int, high: int) -> bytes:
        """Return the root over the leaves [low, high), from tiles where they are full."""
        spans = merkle.perfect_spans(low, high)
        hashes = [self._perfect(start, (end - start).bit_length() - 1) for start, end in spans]
        return merkle.fold(hashes)

    def frontier(self, size: int) -> merkle.Frontier:
        """Return the right edge of the tree over the first `size` leaves."""
        spans = merkle.perfect_spans(0, size)
        return merkle.Frontier(size, tuple(self._perfect(low, (high - low).bit_length() - 1) for low, high in spans))

    def _perfect(self, low: int, height: int) -> bytes:
        """Return the root of the perfect subtree of 2**height leaves that starts at `low`."""
        if height < 8:
            return merkle.root(self.leaf_hashes(low, low + (1 << height)))
        if height % 8:
            half = 1 << height - 1
            return merkle.node_hash(self._perfect(low, height - 1), self._perfect(low + half, height - 1))
        level, number = height // 8 - 1, low >> height
        with self._engine.connect() as connection:
            blob = connection.execute(
                select(tables.tile.c.hashes).where(tables.tile.c.level == level, tables.tile.c.number == number)
            ).scalar_one()
        return merkle.root(writer.split_hashes(blob))

    def contents(self, seq: int) -> Sealed | None:
        """Return the sealed contents kept for an entry."""
        with self._engine.connect() as connection:
            row = connection.execute(select(tables.content).where(tables.content.c.seq == seq)).first()
            return None if row is None else Sealed(key=row.key, ciphertext=row.ciphertext)

    def state(self, key: str) -> Any:
        """Return one state row's value, or None."""
        with self._engine.connect() as connection:
            return writer.load_state(Driver.of(connection), [key]).get(key)

    def states(self, prefix: str) -> dict[str, Any]:
        """Return the state rows whose key starts with `prefix`."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(tables.state.c.key, tables.state.c.value).where(
                    tables.state.c.key >= prefix, tables.state.c.key < prefix + "\U0010ffff"
                )
            )
            return {key: json.loads(value) for key, value in rows}
