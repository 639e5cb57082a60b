"""The exact cache: answers by the digest of the whole request, in memory, bounded, disposable."""

import time
from collections import OrderedDict

from gateway.pipeline.ports import Cached

MAX_BYTES = 64 * 1024 * 1024


class MemoryCache:
    """Least recently used answers, up to `MAX_BYTES` of bodies, each for its own time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Cached]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Cached | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] < time.monotonic():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: str, value: Cached, *, ttl: int) -> None:
        if len(value.body) > MAX_BYTES // 8:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (time.monotonic() + ttl, value)
        self._bytes += len(value.body)
        while self._bytes > MAX_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        _, value = self._kept.pop(key)
        self._bytes -= len(value.body)
