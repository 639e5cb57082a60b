"""`python -m bench.mutants`: packs with one thing wrong, and at the edge of being right: do both verifiers say what they must?

    python -m bench.mutants --random 2000 --seed 1

The built ones (tests/system/mutants.py) break one rule of docs/formats each, and everything else fits again. The random
ones are changes of a pack that the product made, and of drafts that are signed again. Exit 1 when the two verifiers say
different things of any pack, or both say the wrong one.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

import mutants  # noqa: E402
from mutants import Mutant  # noqa: E402

from bench.rig.compare import conditions  # noqa: E402


def chosen_mutants(count: int, seed: int, folder: Path) -> Iterator[Mutant]:
    yield from mutants.built()
    if count:
        base, chance = mutants.product_pack(folder / "home"), random.Random(seed)
        yield base
        yield from mutants.changed(base, count - count // 2, chance)
        yield from mutants.redrawn(count // 2, chance)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=0, help="so many random ones besides")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    verdicts, found, started = Counter[str](), [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        conditions(Path(folder))
        for mutant in chosen_mutants(chosen.random, chosen.seed, Path(folder)):
            ours, second = mutants.ours(mutant), mutants.second(mutant)
            verdicts[second if ours == second else "the two disagree"] += 1
            if mutant.expected not in (None, ours) or ours != second:
                found.append((mutant, ours, second))
    for mutant, ours, second in found:
        unclear = " (the documents can be read both ways)" if mutant.unclear else ""
        print(f"{mutant.name}: ours {ours}; second {second}; expected {mutant.expected or 'the same'}{unclear}")
    total = f"{sum(verdicts.values())} packs, {chosen.random} of them changed by chance (seed {chosen.seed})"
    print(f"{total}, {time.monotonic() - started:.0f} s")
    for verdict, count in verdicts.most_common():
        print(f"{count:>6} {verdict}")
    print(f"{len(found):>6} with a disagreement or a wrong verdict")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
