"""What the program is made of. Advisories are not asked for here: their list is fetched from the network, which tests
do without; deploy/README.md has the command."""

import os
import re
import subprocess

import harness
from harness import DEPLOY
from harness import Missing
from harness import ROOT
from harness import SIDEGATE
from harness import World
from harness import program
from harness import run


def test_crates_licenses_and_sources():
    deny = program("cargo-deny")
    rules = DEPLOY / "deny.toml"
    asked = [deny, "--frozen", "--manifest-path", str(ROOT / "Cargo.toml")]
    # Crates of other systems are read as well; a build does not fetch them.
    if subprocess.run(["cargo", "metadata", "--frozen", "--format-version=1"], cwd=ROOT, capture_output=True).returncode:
        raise Missing("not every crate has been fetched")
    said = run(*asked, "--config", str(rules), "check", "bans", "licenses", "sources")
    assert "bans ok, licenses ok, sources ok" in said, said[-3000:]
    # It can say no.
    with World() as world:
        strict = world.directory / "deny.toml"
        strict.write_text(re.sub(r"^allow = .*$", "allow = []", rules.read_text(), flags=re.MULTILINE))
        done = subprocess.run([*asked, "--config", str(strict), "check", "licenses"], capture_output=True)
        assert done.returncode != 0


def test_the_commit_that_a_release_tells():
    with World() as world:
        script = world.directory / "script"
        run("rustc", "--edition=2024", "-o", str(script), str(ROOT / "src" / "build.rs"))
        place = world.directory / "sources"
        place.mkdir()
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("SIDEGATE_", "GIT_"))}
        plain["PROFILE"] = "release"

        def told(**more):
            said = run(str(script), cwd=place, env={**plain, **more})
            return re.search(r"^cargo:rustc-env=SIDEGATE_COMMIT=(.*)$", said, re.MULTILINE)[1]

        # Sources without a repository, of which one may be further up.
        assert told() == "unknown"
        assert told(SIDEGATE_COMMIT="0123456789abcdef") == "0123456789abcdef"
        assert told(SIDEGATE_COMMIT="") == "unknown"
        assert told(SIDEGATE_COMMIT="0123456\ncargo:rustc-link-arg=x") == "unknown"
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
        run(*git, "init", "--quiet", cwd=place)
        assert told() == "unknown", "there is no commit yet"
        run(*git, "commit", "--quiet", "--allow-empty", "--message", "first", cwd=place)
        head = run("git", "rev-parse", "HEAD", cwd=place).strip()
        assert told() == head[:12]
        assert told(SIDEGATE_COMMIT="abcdef0123") == "abcdef0123"
        # So that everyday builds are not made anew with each commit.
        assert told(PROFILE="debug") == "unknown"
    assert re.fullmatch(r"sidegate \S+ \(commit [0-9a-z]+, .+\)\n", run(SIDEGATE, "--version"))


if __name__ == "__main__":
    harness.main(globals())
