#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/traps.md against the tests: each test that the last column of a table names is
there, as `FILE` WORDS; several are separated by semicolons.

usage: traps.py SOURCE-DIRECTORY
"""
import re
import sys
from pathlib import Path


def cells(text):
    """The last cells of the tables' rows."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| what |"):
            yield re.split(r" *\| *", line.strip("| "))[-1]


def problems(text, files):
    named = 0
    for cell in cells(text):
        for entry in cell.split("; "):
            match = re.fullmatch(r"`([^`]+)` (.+)", entry)
            if not match:
                yield f"'{entry}' names no test"
            elif match[2] not in files.get(match[1], ""):
                yield f"'{match[1]}' has no test '{match[2]}'"
            named += 1
    if not named:
        yield "no test is named"


def main():
    top = Path(sys.argv[1])
    files = {}
    for path in (top / "tests").rglob("*"):
        if path.suffix in (".go", ".c"):
            files[path.name] = files.get(path.name, "") + path.read_text()
    text = (top / "docs/traps.md").read_text()
    blind = list(problems("| what | x |\n| a | `test_look.c` no such test |\n| b | nothing |\n", files))
    if len(blind) != 2 or not list(problems("", files)):
        sys.exit(f"traps.py is blind: it found {blind}")
    found = list(problems(text, files))
    print("\n".join(found) or f"{len(list(cells(text)))} traps, each with its tests")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
