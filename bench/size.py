#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the size of the static release and what each library costs in it, from
the linker's map of a second link of the very same objects.

usage: size.py
"""
import collections
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
# Our own folders, then the libraries by the names of their archives.
NAMES = {'libcrypto': 'OpenSSL libcrypto', 'libssl': 'OpenSSL libssl', 'libcurl': 'curl', 'libnghttp2': 'nghttp2',
         'libsodium': 'libsodium', 'libcjson': 'cJSON', 'libprotobuf-c': 'protobuf-c', 'libz': 'zlib', 'libc': 'musl', 'libgcc': 'libgcc'}
CONTRIBUTION = re.compile(r'^ (?:\S+)?\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$')
OUTPUT_SECTION = re.compile(r'^(\.\S+|[A-Z]\S*)')
# What is in the file. The rest of the sections take no place there, or are stripped.
KEPT = ('.text', '.rodata', '.data', '.init', '.fini', '.eh_frame', '.got', '.tdata', '.dyn', '.gnu', '.hash', '.rel')


def owner(path):
    """Whose an object is, from 'folder/libx.a(y.o)' or 'crt1.o'."""
    archive = re.sub(r'\(.*$', '', path)
    name = os.path.basename(archive).removesuffix('.a')
    if name in NAMES:
        return NAMES[name]
    if name.startswith('libtss2'):
        return 'tpm2-tss'
    return 'sealpod itself' if not os.path.isabs(archive) else 'start-up code'


def costs(text):
    """Bytes by owner; the linker's own tables are listed by section."""
    found, section = collections.Counter(), ''
    for line in re.sub(r'\n {16,}(?=0x)', ' ', text.partition('Linker script and memory map')[2]).splitlines():
        at = OUTPUT_SECTION.match(line)
        if at:
            section = at.group(1)
        match = CONTRIBUTION.match(line)
        if match and section.startswith(KEPT):
            who = 'relocations' if section.startswith('.rel') else owner(match.group(2))
            found[who] += int(match.group(1), 16)
    return found


def link_command(build):
    """How ninja links sealpod, as words, without the output file."""
    commands = subprocess.run(['ninja', '-C', build, '-t', 'commands', 'agent/sealpod'], check=True, capture_output=True, text=True)
    words = shlex.split(commands.stdout.splitlines()[-1])
    at = words.index('-o')
    return words[:at] + words[at + 2:]


def main():
    done = subprocess.run([TOP / 'tools' / 'build.sh', 'static'], check=True, stdout=subprocess.PIPE, text=True)
    build = done.stdout.split('\n')[-2]
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder) / 'map'
        subprocess.run(link_command(build) + ['-o', f'{folder}/sealpod', f'-Wl,-Map={table}'], cwd=build, check=True)
        found = costs(table.read_text())
    size = (TOP / 'build' / 'sealpod').stat().st_size
    for who, cost in found.most_common():
        print(f'{cost:10,}  {100 * cost / size:5.1f} %  {who}')
    rest = size - sum(found.values())
    print(f'{rest:10,}  {100 * rest / size:5.1f} %  headers, tables, padding, less what was merged')
    print(f'{size:10,}  100.0 %  build/sealpod, stripped')


if __name__ == '__main__':
    sys.exit(main())
