#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `sealpod attest` from its start to the evidence on standard output: wall
and CPU time of both its processes, system calls. The hardware is emulated
(tests/tee) and answers without delay: what is measured is the program, and the way
through FUSE that a real kernel spares it.

usage: attest.py [--runs N] [--build static|debug]
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
KINDS = {'snp': 'SEV-SNP, configfs-tsm', 'snp-ioctl': 'SEV-SNP, /dev/sev-guest', 'tdx': 'TDX 1.0, quote v4', 'tdx-15': 'TDX 1.5, quote v5'}
ATTEST = ['attest', '--format', 'json', '--report-data', 'c5' * 48]


def tool(*command):
    """The last line that one of the project's own tools prints."""
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout.split('\n')[-2]


def attest(sealpod):
    """One start: seconds of wall and of CPU, and the evidence."""
    with tempfile.TemporaryFile() as evidence:
        began = time.monotonic()
        # Not by the class Popen, which would reap the child without its usage.
        child = os.posix_spawn(sealpod, ['sealpod', *ATTEST], {}, file_actions=[
            (os.POSIX_SPAWN_DUP2, evidence.fileno(), 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - began
        evidence.seek(0)
        if os.waitstatus_to_exitcode(status) != 0 or not json.load(evidence):
            raise SystemExit(f'sealpod attest failed: {os.waitstatus_to_exitcode(status)}')
    return wall, usage.ru_utime + usage.ru_stime


def system_calls(sealpod):
    if not shutil.which('strace'):
        return None
    with tempfile.NamedTemporaryFile() as counts:
        subprocess.run(['strace', '-f', '-c', '-o', counts.name, sealpod, *ATTEST], check=True, capture_output=True)
        return int(re.search(r'^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$', pathlib.Path(counts.name).read_text(), re.M).group(1))


def inside(sealpod, runs):
    """On the emulated machine: the figures, as one line of JSON."""
    attest(sealpod)  # the first reads the program from the disk
    figures = [attest(sealpod) for _ in range(runs)]
    print(json.dumps({'wall': [wall for wall, _ in figures], 'cpu': [cpu for _, cpu in figures], 'calls': system_calls(sealpod)}))


def report(tee, roots, sealpod, runs):
    print(f'sealpod attest, from start to evidence, {runs} runs each, emulated hardware without delay: {sealpod}')
    print(f'{"":26}{"wall, ms":>30}{"CPU of both, ms":>20}{"system calls":>16}')
    print(f'{"":26}{"median":>10}{"least":>10}{"most":>10}{"median":>20}{"of both":>16}')
    for kind, name in KINDS.items():
        machine = [*([] if os.geteuid() == 0 else ['sudo', '-n']), tee, '--kind', kind, '--roots', roots, '--', sys.executable, __file__, '--inside', '--runs', str(runs), sealpod]
        found = json.loads(tool(*machine))
        wall = [1000 * value for value in found['wall']]
        print(f'{name:26}{statistics.median(wall):10.1f}{min(wall):10.1f}{max(wall):10.1f}'
              f'{1000 * statistics.median(found["cpu"]):20.1f}{found["calls"] or "no strace":>16}', flush=True)


def main():
    parser = argparse.ArgumentParser(description='measure the gathering of evidence')
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--build', choices=['static', 'debug'], default='static')
    parser.add_argument('--inside', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('sealpod', nargs='?', help='measure this program instead of a build')
    options = parser.parse_args()
    if options.inside:
        inside(options.sealpod, options.runs)
        return
    subprocess.run([TOP / 'tools' / 'need-packages.sh', 'bench'], check=True)
    sealpod = options.sealpod or str(pathlib.Path(tool(TOP / 'tools' / 'build.sh', options.build)) / 'agent' / 'sealpod')
    tee = TOP / 'build' / 'tee'
    subprocess.run([tool(TOP / 'tools' / 'go.sh'), 'build', '-o', tee, './cmd/tee'], cwd=TOP / 'tests' / 'tee', check=True)
    with tempfile.TemporaryDirectory(prefix='sealpod-bench-') as roots:
        subprocess.run([tee, '--make-roots', roots], check=True)
        report(tee, roots, sealpod, options.runs)


if __name__ == '__main__':
    os.umask(0o022)
    sys.exit(main())
