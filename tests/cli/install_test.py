#!/usr/bin/python3
"""What make builds again when flags change, and what make install leaves behind.

Usage: install_test.py --programs build/release. Prints TAP.
"""
import argparse
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODES = ("release", "debug", "asan", "tsan", "cov")


class Tests:
    def __init__(self, programs):
        self.build = os.path.relpath(os.path.abspath(programs), TOP)
        self.directory = tempfile.mkdtemp(prefix="install-")
        self.failures = []
        self.installed = False

    def make(self, *arguments):
        """In the mode of the programs; variables of a make that started this one hold here too (MAKEFLAGS)."""
        mode = os.path.basename(self.build)
        done = subprocess.run(["make", "-C", TOP, "BUILD=" + self.build, *(["MODE=" + mode] if mode in MODES else []), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def expect(self, ok, what):
        if not ok:
            self.failures.append(what)

    def test_flags(self):
        """Other flags make what they are used in out of date, the same ones do not."""
        def steps(*variables):
            code, out, err = self.make("-n", "V=1", "all", *variables)
            self.expect(code == 0, err)
            return out

        self.expect(" -c -o " not in steps() and " -o " not in steps(), "the same flags build again")
        self.expect(" -o " not in steps("WERROR=1"), "warnings build again")
        link = steps("LDFLAGS=-Wl,--as-needed")
        self.expect(f"-o {self.build}/eventrouterd " in link, "other flags of the linker do not link again")
        self.expect(" -c -o " not in link, "other flags of the linker compile again")
        self.expect(f"-c -o {self.build}/router/main.o" in steps("CPPFLAGS=-DX='\"a b\"'"), "other flags of the compiler compile nothing")
        self.expect("-ljemalloc" in steps("ALLOCATOR=jemalloc"), "another allocator is not linked")

    def install(self, again=False):
        if self.installed and not again:
            return
        self.installed = True
        code, _, err = self.make("-s", "install", "DESTDIR=" + self.directory, "PREFIX=/opt/er", "SYSCONFDIR=/opt/etc")
        self.expect(code == 0, err)

    def test_install(self):
        self.install()
        found = {os.path.relpath(os.path.join(path, name), self.directory) for path, _, names in os.walk(self.directory) for name in names}
        for name in ("bin/eventrouterd", "bin/eventrouterctl", "share/man/man1/eventrouterctl.1", "share/man/man5/eventrouter.ini.5",
                     "share/man/man8/eventrouterd.8", "share/doc/eventrouter/README.md", "lib/systemd/system/eventrouterd.service"):
            self.expect("opt/er/" + name in found, f"{name} is not installed")
        self.expect(all(name.startswith("opt/") for name in found), f"outside of PREFIX and SYSCONFDIR: {found}")
        mode = os.stat(os.path.join(self.directory, "opt/etc/eventrouter/eventrouter.ini")).st_mode
        self.expect(stat.S_IMODE(mode) == 0o640, f"eventrouter.ini has mode {oct(mode)}")

    def test_install_keeps_the_configuration(self):
        self.install()
        name = os.path.join(self.directory, "opt/etc/eventrouter/eventrouter.ini")
        with open(name, "w", encoding="utf-8") as text:
            text.write("; mine\n")
        self.install(again=True)
        with open(name, encoding="utf-8") as text:
            self.expect(text.read() == "; mine\n", "make install wrote over the configuration")

    def test_documents(self):
        """What the installed documents name is installed too."""
        self.install()
        top = os.path.join(self.directory, "opt/er/share/doc/eventrouter")
        names = sorted(name for name in os.listdir(os.path.join(top, "docs")) if name.endswith(".md"))
        self.expect("runbook.md" in names and "rules.md" in names, f"docs: {names}")
        for name in names:
            with open(os.path.join(top, "docs", name), encoding="utf-8") as text:
                body = text.read()
            targets = ["docs/" + target for target in re.findall(r"\]\(([^):#]+)\)", body)] + re.findall(r"`(schemas/[\w./-]*\w)`", body)
            targets += re.findall(r"\bdocs/adr/\d{4}", body)
            for target in targets:
                self.expect(glob.glob(os.path.join(top, target) + "*"), f"docs/{name} names {target}, which is not installed")

    def test_unit(self):
        """The daemon has a user of its own, the configuration is readable for root alone: it comes as a credential."""
        self.install()
        with open(os.path.join(self.directory, "opt/er/lib/systemd/system/eventrouterd.service"), encoding="utf-8") as text:
            unit = text.read()
        self.expect("\nDynamicUser=yes\n" in unit, "the unit has no user of its own")
        self.expect("\nLoadCredential=eventrouter.ini:/opt/etc/eventrouter/eventrouter.ini\n" in unit, "no credential")
        self.expect("\nExecStart=/opt/er/bin/eventrouterd -c %d/eventrouter.ini\n" in unit, "another file is read")
        self.expect("@" not in re.sub(r"@system-service", "", unit), "a place is left open")

    def run(self):
        tests = [name for name in dir(self) if name.startswith("test_")]
        failed = 0
        for number, name in enumerate(tests, 1):
            self.failures = []
            getattr(self, name)()
            print(f"{'not ok' if self.failures else 'ok'} {number} - {name}")
            for failure in self.failures:
                print("#   " + failure.replace("\n", "\n#   "))
            failed += bool(self.failures)
        print(f"1..{len(tests)}")
        shutil.rmtree(self.directory)
        return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default=os.path.join(TOP, "build", "release"))
    return Tests(parser.parse_args().programs).run()


if __name__ == "__main__":
    sys.exit(main())
