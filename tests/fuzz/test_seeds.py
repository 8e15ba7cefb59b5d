"""Every input that was worth keeping passes its check again."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.oracles import CHECKS

SEEDS = sorted(path for path in (Path(__file__).parent / "seeds").glob("*/*"))


def test_every_check_has_seeds_and_a_harness() -> None:
    harnesses = {path.stem.removeprefix("fuzz_") for path in Path(__file__).parent.glob("fuzz_*.py")}
    assert set(CHECKS) == {path.parent.name for path in SEEDS} == harnesses


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_seed_that_was_kept_passes_its_check(seed: Path, tmp_path: Path) -> None:
    CHECKS[seed.parent.name](seed.read_bytes(), tmp_path)
