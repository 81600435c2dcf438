"""One run of load, and what it tells: wrk on one thread, as fast as it goes or at a rate."""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

from processes import cpu_seconds
from processes import rss_mb

PACED = pathlib.Path(__file__).with_name("paced.lua")
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclasses.dataclass(frozen=True)
class Measured:
    """One peer in one round."""

    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    rss_mb: float


def run(url, headers, connections, seconds, rate, cores, pids):
    """Loads `url` and watches the processes `pids` meanwhile."""
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    environment = dict(os.environ)
    if rate:
        command += ["-s", str(PACED)]
        environment["RATE"] = str(rate)
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    before = cpu_seconds(pids)
    wrk = subprocess.Popen([*command, url], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    high = rss_mb(pids)
    try:
        while wrk.poll() is None:
            try:
                wrk.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                high = max(high, rss_mb(pids))
        spent = cpu_seconds(pids) - before
        return read(wrk.stdout.read(), spent, high)
    finally:
        if wrk.poll() is None:
            wrk.kill()
        wrk.wait()
        wrk.stdout.close()


def read(text, spent, high):
    """What wrk printed. An answer that is none of a success ends everything: it would be cheap."""
    done = re.search(r"(\d+) requests in", text)
    if not done or int(done[1]) == 0 or "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    return Measured(
        cpu_us=spent / int(done[1]) * 1e6,
        per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        p50_ms=milliseconds(text, "50%"),
        p99_ms=milliseconds(text, "99%"),
        rss_mb=high,
    )


def milliseconds(text, line):
    number, unit = re.search(rf"{line}\s+([\d.]+)([a-z]+)", text).groups()
    return float(number) * UNITS[unit]
