"""Identifiers, read by the standard library's own UUID."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.ids import is_id, new_id


@given(st.integers(0, 2**47))
def test_an_id_is_a_uuid_of_version_7_that_carries_its_millisecond(milliseconds: int) -> None:
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds % 10**14)
    made = new_id("call", at)
    value = uuid.UUID(made.removeprefix("call_"))
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == int(at.timestamp() * 1000)
    assert is_id(made, "call")
    assert not is_id(made, "ent")
