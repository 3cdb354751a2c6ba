#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages against the program: sealpod(8)'s table of exit statuses is the
one that `sealpod help exit-codes` prints; sealpod.toml(5), deployment.toml(5) and the
tables of keys that the programs read by name the same keys; sealpodctl(1) has each verb of
`sealpodctl help`, and each option of `sealpodctl VERB --help`.

usage: manual.py SEALPOD SEALPODCTL SOURCE-DIRECTORY
"""
import re
import subprocess
import sys
from pathlib import Path


def rows_of_program(sealpod):
    text = subprocess.run([sealpod, "help", "exit-codes"], check=True, capture_output=True, text=True).stdout
    return [(f[0], f[1], f[3]) for f in (line.split(None, 3) for line in text.splitlines()[1:])]


def rows_of_page(page):
    table = page.split('.SH "EXIT STATUS"')[1].split(".fi")[0]
    lines = (line.replace("\\-", "-") for line in table.splitlines() if "\t" in line)
    return [tuple(line.split("\t")) for line in lines]


def keys_of_program(source):
    return set(re.findall(r'\{ "([a-z]+)", "([a-z0-9_]+)", TOML_', source))


def keys_of_page(page):
    keys = set()
    table = None
    for line in page.splitlines():
        if match := re.match(r"\.SS \[([a-z]+)\]", line):
            table = match[1]
        elif line.startswith(".SH"):
            table = None
        elif table and re.match(r"\.BR? [a-z0-9_]+( |$)", line) and previous == ".TP":
            keys |= {(table, name) for name in re.findall(r"[a-z0-9_]+", line.split(None, 1)[1]) if name != '"'}
        previous = line
    return keys


def keys_of_deployment(source):
    """(table, key) for each row of the tables of fields; "" is the top level."""
    names = {"root": "", "class": "[class]", "workload": "[class.workload]", "secret": "[secret]"}
    keys = {("image", "reference_values")}
    for table, body in re.findall(r"struct field ([a-z_]+)_fields\[\] = \{(.*?)\n\};", source, re.S):
        keys |= {(names.get(table, table), key) for key in re.findall(r'\{ "([a-z0-9_]+)", TOML_', body)}
    return keys


def keys_of_deployment_page(page):
    keys = set()
    table = None
    previous = ""
    for line in page.splitlines():
        if match := re.match(r"\.SS \[(.+)\]$", line):
            table = match[1]
        elif line == ".SS Top level":
            table = ""
        elif line.startswith(".SH"):
            table = None
        elif table is not None and previous == ".TP":
            keys |= {(table, name) for name in re.findall(r"[a-z0-9_]+", line.split(None, 1)[1])}
        previous = line
    return keys


def verbs_of_program(sealpodctl):
    """Verbs, and "VERB --option"."""
    text = subprocess.run([sealpodctl, "help"], check=True, capture_output=True, text=True).stdout
    verbs = {m[1] for m in re.finditer(r"^  sealpodctl ([a-z-]+(?: [a-z-]+(?![a-z|-]))?)", text, re.M)}
    options = set()
    for verb in verbs:
        text = subprocess.run([sealpodctl, *verb.split(), "--help"], check=True, capture_output=True, text=True).stdout
        options |= set(re.findall(r"^  (--[a-z-]+)", text, re.M))
    return verbs | options


def verbs_of_page(page):
    page = page.replace("\\-", "-")
    synopsis, rest = page.split(".SH DESCRIPTION")
    verbs = set(re.findall(r"^\.B sealpodctl ([a-z -]+)$", synopsis, re.M))
    return verbs | set(re.findall(r"--[a-z-]+", rest.split(".SH EXAMPLES")[0]))


def main():
    sealpod, sealpodctl, top = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    bad = 0
    for name, a, b in (
        ("exit statuses", rows_of_program(sealpod), rows_of_page((top / "agent/sealpod.8").read_text())),
        ("configuration keys", keys_of_program((top / "config/config_fields.c").read_text()),
         keys_of_page((top / "agent/sealpod.toml.5").read_text())),
        ("keys of a deployment", keys_of_deployment((top / "ctl/deployment.c").read_text()),
         keys_of_deployment_page((top / "ctl/deployment.toml.5").read_text())),
        ("verbs and options of sealpodctl", verbs_of_program(sealpodctl),
         verbs_of_page((top / "ctl/sealpodctl.1").read_text())),
    ):
        only_program, only_page = sorted(set(a) - set(b)), sorted(set(b) - set(a))
        if not a or only_program or only_page:
            print(f"{name}: only in the program {only_program}; only in the manual {only_page}")
            bad = 1
        else:
            print(f"{name}: {len(a)} the same")
    return bad


if __name__ == "__main__":
    sys.exit(main())
