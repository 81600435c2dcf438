"""What is measured: the setups for which the peers are started, and the loads on each."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Setup:
    """What peers have to be started for."""

    workers: int = 1
    token: int = 700

    def __str__(self):
        return f"{self.workers} worker{'s' if self.workers > 1 else ''}, {self.token:,}-character token"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    name: str
    setup: Setup = Setup()
    size: int = 1024
    connections: int = 64
    rate: int | None = None
    signed_in: bool = True

    def __str__(self):
        pace = f"{self.rate:,} requests/s" if self.rate else "saturated"
        what = f"{self.size // 1024} KB" if self.signed_in else "first redirect, no session"
        return f"{self.name}: {what}, {self.connections} connections, {pace}, {self.setup}"


SCENARIOS = [
    Scenario("c64"),
    Scenario("c1", connections=1),
    Scenario("c256", connections=256),
    Scenario("rate", rate=2000),
    Scenario("large", size=100 * 1024),
    Scenario("large-c1", size=100 * 1024, connections=1),
    Scenario("large-c256", size=100 * 1024, connections=256),
    Scenario("large-rate", size=100 * 1024, rate=2000),
    Scenario("redirect", signed_in=False),
    # The longest that the gateway takes from a provider (`oauth::token::MAX_TOKEN`).
    Scenario("long-token", setup=Setup(token=2048)),
    Scenario("two", setup=Setup(workers=2)),
    Scenario("two-large", setup=Setup(workers=2), size=100 * 1024),
]

QUICK = ["c64"]
