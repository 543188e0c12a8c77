#!/usr/bin/python3
"""What make builds again when flags change.

Usage: install_test.py --programs build/release. Prints TAP.
"""
import argparse
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODES = ("release", "debug", "asan", "tsan", "cov")


class Tests:
    def __init__(self, programs):
        self.build = os.path.relpath(os.path.abspath(programs), TOP)
        self.failures = []

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
        return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default=os.path.join(TOP, "build", "release"))
    return Tests(parser.parse_args().programs).run()


if __name__ == "__main__":
    sys.exit(main())
