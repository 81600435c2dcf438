"""Whether the profile that release builds follow is about a given program."""

import pathlib
import re

PROFILES = pathlib.Path(__file__).resolve().parents[2] / "deploy/profile"
OURS = re.compile(rb"_ZN8sidegate[0-9A-Za-z_$.]+17h[0-9a-f]{16}E")


def fit(program):
    """How many of sidegate's own functions in the best profile are in `program` by the same name, and how many there
    are. Those that were put into their callers are not found; with another rustc, host, version or feature none is.
    Whether the program was compiled by the profile, it does not tell."""
    here = functions(program)
    counts = [(len(there & here), len(there)) for there in map(functions, PROFILES.glob("*.profdata"))]
    return max(counts, default=(0, 0))


def functions(file):
    return set(OURS.findall(pathlib.Path(file).read_bytes()))
