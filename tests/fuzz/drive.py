"""Runs one check under atheris, which looks for inputs that reach new lines of harvester.

What it has found so far is kept in `.fuzz/` between runs; an input that breaks a promise is left there
too, and belongs into `seeds/` together with its mending.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".fuzz"


def drive(target: str) -> None:
    """Fuzz for as many seconds as the first argument says; further ones go to libFuzzer."""
    seconds, *more = sys.argv[1:] or ["20"]
    sys.path.insert(0, str(HERE.parent))
    with atheris.instrument_imports(include=["harvester", "tomllib"]):
        from support import oracles
    corpus = KEPT / target
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=65536"]
    flags += [f"-artifact_prefix={KEPT}/{target}-", "-print_final_stats=1", "-verbosity=0", *more]
    check = oracles.CHECKS[target]
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        atheris.Setup(
            [target, *flags, str(corpus), str(HERE / "seeds" / target)], lambda data: check(data, place)
        )
        print(f"-- {target}: {seconds} s", flush=True)
        atheris.Fuzz()
