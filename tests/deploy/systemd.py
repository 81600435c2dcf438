"""The systemd units: read by systemd-analyze, their exposure under a bound, and no call of the gateway's that their
filter forbids. No service manager runs here, so the units themselves are not started; tests/it has a supervisor that
speaks its protocol."""

import os
import re
import shutil

import harness
from harness import DEPLOY
from harness import SIDEGATE
from harness import Browser
from harness import World
from harness import program
from harness import run
from harness import until

UNITS = DEPLOY / "systemd"
# Of 10; what is left is the network, which a gateway is for, and that after a handover another process speaks.
EXPOSURE = 1.3


def test_units_are_sound():
    analyze = program("systemd-analyze")
    with World() as world:
        unit = staged(world)
        said = run(analyze, "verify", unit, str(world.directory / "sidegate.socket"))
        assert said == "", said
        said = run(analyze, "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", unit)
        exposure = re.search(r"Overall exposure level for sidegate.service: (\d\.\d) ", said)[1]
        assert f"({exposure} of 10)" in (DEPLOY / "README.md").read_text(), said


def test_the_filter_lets_the_gateway_work():
    analyze, strace = program("systemd-analyze"), program("strace")
    with World() as world:
        # Not beside the configuration: reading what the kernel tells of that directory would be told there.
        trace = world.directory / "trace" / "calls"
        trace.parent.mkdir()
        direct, start = world.start, []

        def traced(name, port, *command):
            if name == "gateway":
                # -D: what is started is the gateway, and strace its watcher.
                command = (strace, "-D", "-f", "-e", "signal=none", "-o", str(trace), *command)
                start.append(command)
            direct(name, port, *command)

        world.start = traced
        world.gateway = world.public
        example = (DEPLOY / "proxies" / "sidegate.yaml").read_text()
        world.start_gateway(example.replace("session:\n", "tls: self_signed\nsession:\n", 1))
        ada = Browser(world.public)
        ada.sign_in("/", "ada")
        assert ada.fetch("/").status == 200 and start
        end = re.compile(rf"^{world.processes['gateway'].pid} +\+\+\+ exited with 0", re.MULTILINE)
        world.stop("gateway")
        until(lambda: end.search(trace.read_text()), "the end of the trace")
        used = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z_0-9]+)[( ]", trace.read_text(), re.MULTILINE))
        assert {"execve", "accept4", "openat"} <= used, used
        text = (UNITS / "sidegate.service").read_text()
        allowed = set()
        for line in re.findall(r"^SystemCallFilter=(.+)$", text, re.MULTILINE):
            names = members(analyze, line.removeprefix("~").split())
            allowed = allowed - names if line.startswith("~") else allowed | names
        # execve is how the manager itself starts it.
        assert not used - allowed, used - allowed


def staged(world):
    """The units in a folder of their own, with a program that there is."""
    for file in UNITS.iterdir():
        shutil.copy(file, world.directory)
    unit = world.directory / "sidegate.service"
    text = unit.read_text()
    assert "\nExecStart=/usr/local/bin/sidegate serve --config /etc/sidegate/sidegate.yaml\n" in text
    assert "\nType=notify-reload\n" in text
    # The systemd of this machine may be older than that: then all else is looked at.
    version = int(re.match(r"systemd (\d+)", run(program("systemd-analyze"), "--version"))[1])
    if version < 253:
        text = text.replace("\nType=notify-reload\n", "\nType=notify\n")
    unit.write_text(text.replace("/usr/local/bin/sidegate", os.path.abspath(SIDEGATE)))
    return str(unit)


def members(analyze, groups):
    names = set()
    for group in groups:
        if not group.startswith("@"):
            names.add(group)
            continue
        lines = run(analyze, "syscall-filter", group).splitlines()
        entries = [line.strip() for line in lines[1:] if line.strip() and not line.strip().startswith("#")]
        names |= members(analyze, entries)
    return names


if __name__ == "__main__":
    harness.main(globals())
