"""By which identifiers an entry is found, and what a task's link says of it in brief."""

from ledger.entry import Draft
from ledger.links import Brief, links, read_brief


def test_links_are_the_header_ids_and_the_facts_that_end_in_ref() -> None:
    draft = Draft(id="ent_1", kind="k.d", call="call_1", task="t", facts={"response_ref": "r", "other": 1, "n_ref": 4})
    assert links(draft, 7) == [("call", "call_1", 7, None), ("task", "t", 7, None), ("response", "r", 7, None)]


def test_the_link_of_a_task_says_in_brief_how_a_call_began_and_ended() -> None:
    facts = {"key": "key_1", "route_ref": "answer", "boot": "boot_1"}
    refs = {"config": "digest", "build": "other"}
    opened = Draft(id="ent_1", kind="call.opened", call="call_1", task="t", workflow="w", facts=facts, refs=refs)
    found = {kind: brief for kind, _, _, brief in links(opened, 7)}
    assert found["call"] is found["route"] is None
    kept = {"key": "key_1", "route_ref": "answer"}
    assert read_brief(7, found["task"] or "") == Brief(7, "call.opened", "call_1", "w", {"config": "digest"}, kept)
    closed = Draft(
        id="ent_2", kind="call.closed", call="call_1", task="t", facts={"result": "answered", "cost_nano_eur": 5}
    )
    (_, (_, _, _, brief)) = links(closed, 8)
    assert read_brief(8, brief or "") == Brief(
        8, "call.closed", "call_1", None, {}, {"result": "answered", "cost_nano_eur": 5}
    )


def test_only_links_of_a_task_are_longer_than_their_ids() -> None:
    own = Draft(id="ent_1", kind="call.opened", call="call_1", facts={"key": "key_1", "route_ref": "answer"})
    assert [brief for _, _, _, brief in links(own, 0)] == [None, None]
