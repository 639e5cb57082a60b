"""What was worked out lately, by what it was worked out from. Texts are read in threads, so it takes several."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 4096
"""Results that are kept, the latest."""
AWAY = 16 * 1024
"""Characters from which on texts are read in a thread, so that other calls go on."""


class Lately(Generic[T]):
    """The latest results."""

    def __init__(self) -> None:
        self._known: dict[Hashable, T] = {}
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._known

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is known by a key, else what `make` gives."""
        if (found := self._known.get(key)) is None:
            found = make()
            with self._lock:
                self._known[key] = found
                if len(self._known) > MOST:
                    self._known.pop(next(iter(self._known)))
        return found
