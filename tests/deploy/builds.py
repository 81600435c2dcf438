"""What cargo calls in place of rustc: which builds follow the profile, and that nothing stands in their way."""

import pathlib
import re
import shutil
import subprocess
import tempfile

import harness
from harness import DEPLOY
from harness import ROOT
from harness import program
from harness import run

OPTIMISED = ["--crate-name", "tool", "-C", "opt-level=3", "src/a b.rs"]
QUIET = "-Cllvm-args=-no-pgo-warn-mismatch"


def test_cargo_calls_it():
    text = (ROOT / ".cargo/config.toml").read_text()
    assert re.search(r'^rustc-wrapper = "deploy/profile/rustc"$', text, re.MULTILINE)
    # The image is built with a copy of both, and nothing keeps them out.
    assert not re.search(r"^/?(\.cargo|deploy/?|deploy/profile.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)


def test_optimised_builds_follow_the_profile_of_their_toolchain():
    with Wrapped() as wrapped:
        profile = wrapped.folder / "1.2.3-012345678-a-b-c.profdata"
        assert wrapped.asked(*OPTIMISED) == OPTIMISED, "there is none"
        profile.touch()
        assert wrapped.asked(*OPTIMISED) == [*OPTIMISED, f"-Cprofile-use={profile}", QUIET]
        for other in (["-C", "opt-level=0", "src/main.rs"], ["-C", "opt-level=s"], ["-vV"], []):
            assert wrapped.asked(*other) == other


def test_another_toolchain_goes_without():
    others = ["rustc 1.2.4-nightly (012345678 2026-01-02)", "rustc 1.2.3 (f12345678 2026-01-02)", "rustc 1.2.3", "", "rustc 1.2.3 (012345678"]
    # A distribution's own build of the same sources: it marks symbols otherwise, and its LLVM may not know the format.
    others += ["rustc 1.2.3 (012345678 2026-01-02) (built from a source tarball)", "rustc 1.2.3 (012345678 2026-01-02) (Debian 1.2.3-1)"]
    for line in others:
        with Wrapped(line) as wrapped:
            (wrapped.folder / "1.2.3-012345678-a-b-c.profdata").touch()
            assert wrapped.asked(*OPTIMISED) == OPTIMISED, line


def test_who_counts_or_follows_something_else_is_left_alone():
    with Wrapped() as wrapped:
        (wrapped.folder / "1.2.3-012345678-a-b-c.profdata").touch()
        for own in ("-Cprofile-use=mine.profdata", "-Cprofile-generate=/counts", "-Cprofile-generate", "-Cinstrument-coverage"):
            assert wrapped.asked(*OPTIMISED, own) == [*OPTIMISED, own]
            assert wrapped.asked(*OPTIMISED, own, env={"SIDEGATE_PROFILE_INTO": "/counts"}) == [*OPTIMISED, own]


def test_behind_another_wrapper():
    with Wrapped() as wrapped:
        profile = wrapped.folder / "1.2.3-012345678-a-b-c.profdata"
        profile.touch()
        other = wrapped.folder / "auditable"
        other.write_text('#!/bin/sh\nexec "$@"\n')
        other.chmod(0o755)
        versioned = shutil.copy(wrapped.rustc, wrapped.folder / "rustc-1.2")
        for command in ([other, wrapped.rustc], [other, versioned], [versioned]):
            said = run(wrapped.wrapper, *command, *OPTIMISED)
            assert said.splitlines() == [*OPTIMISED, f"-Cprofile-use={profile}", QUIET]


def test_counting():
    with Wrapped() as wrapped:
        (wrapped.folder / "1.2.3-012345678-a-b-c.profdata").touch()
        counting = {"SIDEGATE_PROFILE_INTO": "/counts"}
        assert wrapped.asked(*OPTIMISED, env=counting) == [*OPTIMISED, "-Cprofile-generate=/counts"]
        assert wrapped.asked("-C", "opt-level=0", env=counting) == ["-C", "opt-level=0"]


def test_a_failure_is_rustcs_own():
    with Wrapped() as wrapped:
        wrapped.rustc.write_text("#!/bin/sh\nexit 101\n")
        assert subprocess.run([wrapped.wrapper, wrapped.rustc, *OPTIMISED]).returncode == 101


def test_the_profile_is_one():
    """Of whatever toolchain: the right magic, and functions of this program in it."""
    found = list((DEPLOY / "profile").glob("*.profdata"))
    assert found
    for profile in found:
        assert re.fullmatch(r"\d+\.\d+\.\d+-[0-9a-f]{9}-[a-z0-9_]+-[a-z0-9-]+\.profdata", profile.name), profile
        content = profile.read_bytes()
        assert content[:8] == b"\xfflprofi\x81" and b"_ZN8sidegate7gateway" in content


def test_rustc_takes_it():
    """The toolchain that is here, if a profile was taken with it: optimised code, and no word about it."""
    told = re.match(r"rustc (\S+) \((\w+) \S+\)\n(?s:.*)\nhost: (\S+)\n", run(program("rustc"), "-vV"))
    if not told or not (DEPLOY / "profile" / f"{told[1]}-{told[2]}-{told[3]}.profdata").exists():
        raise harness.LeftOut("no profile was taken with this rustc")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "tool.rs"
        source.write_text("fn main() {}\n")
        said = run(DEPLOY / "profile/rustc", program("rustc"), "-C", "opt-level=3", "--out-dir", folder, source)
        assert said == "", said
        run(source.with_suffix(""))


class Wrapped:
    """The wrapper in a folder of its own, around a rustc that prints what it is asked."""

    def __init__(self, line="rustc 1.2.3 (012345678 2026-01-02)"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sidegate builds "))
        self.wrapper = pathlib.Path(shutil.copy(DEPLOY / "profile/rustc", self.folder / "wrapper"))
        self.rustc = self.folder / "rustc"
        self.rustc.write_text(f'''#!/bin/sh
[ "$*" = -vV ] && printf '{line}\\nbinary: rustc\\nhost: a-b-c\\nrelease: 9.9.9\\n' && exit
for one in "$@"; do echo "$one"; done
''')
        self.rustc.chmod(0o755)

    def asked(self, *arguments, env={}):
        """What rustc was asked in the end."""
        said = run(self.wrapper, self.rustc, *arguments, env={"PATH": "/usr/bin:/bin", **env})
        if list(arguments) == ["-vV"]:
            assert "release: " in said
            return ["-vV"]
        return said.splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


harness.main(globals())
