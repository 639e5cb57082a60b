#!/bin/sh
# scikit-learn's weighted kappa takes the order of a rubric from the alphabet, and says nothing.
#
# Seen on 2026-11-28 with scikit-learn 1.9.1 (PyPI) on Python 3.11: `cohen_kappa_score(judge, people, weights="linear")`
# without `labels` orders text labels as they sort: correct, incorrect, partial. So "correct" against "partial", one
# step of the rubric, counts as two steps, and "correct" against "incorrect" as one. Two judges are compared with the
# same people here. One is only ever wrong by one step, the other as often, but by calling correct what is incorrect.
# With the order of the rubric the first agrees better; with the order of the alphabet the second does, by as much.
# With `labels=["incorrect", "partial", "correct"]` all is well. Numbers as labels are ordered as numbers.
# Where it stands: `confusion_matrix(..., labels=labels)` and weights by the difference of positions, in
# `cohen_kappa_score`, sklearn/metrics/_classification.py.
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

from sklearn.metrics import cohen_kappa_score

RUBRIC = ["incorrect", "partial", "correct"]
people = ["correct"] * 12 + ["partial"] * 12 + ["incorrect"] * 12
by_one_step = ["partial"] * 4 + people[4:]
by_two_steps = ["incorrect"] * 4 + people[4:]
found = {}
with warnings.catch_warnings():
    warnings.simplefilter("error")  # nothing is said about it
    for order, more in (("of the alphabet", {}), ("of the rubric", {"labels": RUBRIC})):
        one, two = (cohen_kappa_score(judge, people, weights="linear", **more) for judge in (by_one_step, by_two_steps))
        found[order] = one > two
        print(f"scikit-learn {version('scikit-learn')}, order {order}: wrong by one step {one:.3f}, by two {two:.3f}")
sys.exit(found != {"of the alphabet": False, "of the rubric": True})
PYTHON
