"""What the program is made of. The list of advisories is the one thing that a test fetches, where it can be had."""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import zlib

import harness
from harness import DEPLOY
from harness import LeftOut
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


def test_advisories():
    deny = program("cargo-deny")
    command = [deny, "--locked", "--manifest-path", str(ROOT / "Cargo.toml"), "--config", str(DEPLOY / "deny.toml")]
    try:
        done = subprocess.run([*command, "check", "advisories"], capture_output=True, text=True, timeout=FETCH)
    except subprocess.TimeoutExpired:
        raise LeftOut("the list of advisories (RustSec) does not come") from None
    said = done.stdout + done.stderr
    if re.search(r"failed to (fetch|open|clone|load) (the )?advisory database|an IO error occurred when talking", said):
        raise LeftOut("the list of advisories (RustSec) cannot be fetched from here")
    assert done.returncode == 0 and "advisories ok" in said, said[-3000:]


# Seconds.
FETCH = 20


def test_a_binary_tells_its_crates():
    locked = set(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', (ROOT / "Cargo.lock").read_text(), re.MULTILINE))
    told = audit_data(pathlib.Path(SIDEGATE))
    if told:
        assert {(it["name"], it["version"]) for it in told} <= locked, told
        assert [it["name"] for it in told if it.get("root")] == ["sidegate"], told
    auditable = shutil.which("cargo-auditable")
    if not auditable:
        raise LeftOut("there is no cargo-auditable, and to build it takes minutes")
    with World() as world:
        place = world.directory / "tiny"
        (place / "src").mkdir(parents=True)
        (place / "Cargo.toml").write_text('[package]\nname = "tiny"\nversion = "1.2.3"\nedition = "2024"\n[workspace]\n')
        (place / "src" / "main.rs").write_text("fn main() {}\n")
        run("cargo", "build", "--quiet", "--offline", "--target-dir", str(place / "plain"), cwd=place)
        assert audit_data(place / "plain" / "debug" / "tiny") is None
        run(auditable, "auditable", "build", "--quiet", "--offline", "--target-dir", str(place / "told"), cwd=place)
        told = audit_data(place / "told" / "debug" / "tiny")
        assert [(it["name"], it["version"]) for it in told] == [("tiny", "1.2.3")], told


def audit_data(binary):
    """The crates in the section that cargo-auditable adds to a 64-bit ELF file: compressed JSON."""
    image = binary.read_bytes()
    assert image[:6] == b"\x7fELF\x02\x01", "another kind of program"
    (start,) = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", image, start + number * size) for number in range(count)]
    for name, _, _, _, offset, length in sections:
        at = sections[names][4] + name
        if image[at : image.index(b"\0", at)] == b".dep-v0":
            return json.loads(zlib.decompress(image[offset : offset + length]))["packages"]
    return None


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
