"""The demo's world: ports that nothing else takes."""

import socket
from pathlib import Path

import pytest

from gateway.demo import world


def test_a_port_to_serve_on_is_given_once_and_is_none_that_an_outgoing_connection_may_take() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    given = [world.free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert max(given) < lowest


def test_a_port_that_someone_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    free = world.free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(world, "_SERVED", iter([other.getsockname()[1], free]))
        assert world.free_port() == free
