"""The list of sabotages follows the source: a quick look, so that it is not found out after seven minutes."""

import pytest
from sabotage.__main__ import ROOT, SABOTAGES, Sabotage


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda one: one.mechanism)
def test_the_text_that_a_sabotage_changes_stands_once_in_the_source(sabotage: Sabotage) -> None:
    assert (ROOT / sabotage.file).read_text("utf-8").count(sabotage.old) == 1
