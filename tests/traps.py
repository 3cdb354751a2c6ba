#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/traps.md and docs/properties.md against the tests: each test that the last column of a table names is
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
            elif not re.search(rf"(?<!\w){re.escape(match[2])}(?!\w)", files.get(match[1], "")):
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
    rows = "| what | x |\n| a | `test_look.c` no such test |\n| b | nothing |\n| c | `test_look.c` warns_of_a_masked_chip |\n"
    blind = list(problems(rows, files))
    if len(blind) != 3 or not list(problems("", files)):
        sys.exit(f"traps.py is blind: it found {blind}")
    found = []
    for page in ("docs/traps.md", "docs/properties.md"):
        text = (top / page).read_text()
        found += [f"{page}: {problem}" for problem in problems(text, files)]
        print(f"{page}: {len(list(cells(text)))} rows")
    print("\n".join(found) or "each with its tests")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
