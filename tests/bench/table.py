"""The table: per scenario, each peer's medians over the rounds and its ratio within each round."""

import statistics

HEAD = f"{'':18} {'CPU µs':>7} {'ratio':>6} {'(min-max)':>12} {'req/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'RSS MB idle -> load':>20}"


def show(scenario, rounds, idle, base):
    """`rounds` holds, per round, what was measured by the peer's name."""
    print(f"\n{scenario}; {len(rounds)} rounds; ratio to {base or 'nobody'}\n{HEAD}")
    for name in rounds[0]:
        mine = [taken[name] for taken in rounds]
        ratio = spread = "-"
        if base:
            ratios = [taken[name].cpu_us / taken[base].cpu_us for taken in rounds]
            ratio, spread = f"{statistics.median(ratios):.2f}", f"({min(ratios):.2f}-{max(ratios):.2f})"
        per_second = median(mine, "per_second")
        lost = "  RATE NOT KEPT" if scenario.rate and per_second < 0.97 * scenario.rate else ""
        print(
            f"{name:18} {median(mine, 'cpu_us'):>7.1f} {ratio:>6} {spread:>12} {per_second:>8,.0f}"
            f" {median(mine, 'p50_ms'):>7.2f} {median(mine, 'p99_ms'):>7.2f}"
            f" {idle[name]:>11.1f} -> {max(one.rss_mb for one in mine):<5.1f}{lost}",
            flush=True,
        )


def median(measured, field):
    return statistics.median(getattr(one, field) for one in measured)
