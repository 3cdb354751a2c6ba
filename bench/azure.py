#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what evidence on Azure is made of: the TPM's commands, and the time of each
part, told apart by what strace sees of the program: waiting for vTPM or metadata
service, and its own work. Both are emulated (tests/tee/azure; the vTPM is swtpm behind
FUSE) and answer at once, where Azure takes seconds for a new HCL report: a figure
for waiting says how often the program waits for whom, not how long on Azure.

usage: azure.py [--runs N] [--build static|debug]   (as root, or by sudo: the emulated VM takes it)
"""
import argparse
import collections
import http.client
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile

from attest import ATTEST, TOP, attest, tool

TRACE = ['strace', '-f', '-ttt', '-xx', '-s', '10', '--seccomp-bpf', '-e', 'trace=write,read,connect,recvfrom']
NAMES = {0x12A: 'NV_DefineSpace', 0x137: 'NV_Write', 0x14E: 'NV_Read', 0x158: 'Quote', 0x169: 'NV_ReadPublic', 0x173: 'ReadPublic',
         0x17A: 'GetCapability', 0x17B: 'GetRandom', 0x17E: 'PCR_Read'}
DETECTION, METADATA, DATA = 'looking for the TEE', 'metadata service', 'report data into its index'
QUOTE, HCL = 'quote, and the PCRs it is over', 'HCL report'
FIXED = ['NV_Write', 'Quote', 'PCR_Read', 'NV_Read']  # no client does without them; of NV_Read two are detection's
COMMAND = re.compile(r'\d+ +(\S+) write\((\d+), "\\x80\\x0[12]' + r'\\x..' * 4 + r'((?:\\x..){4})"')
OTHER = re.compile(r'\d+ +(\S+) (?:<\.\.\. )?(read|connect|recvfrom)(?: resumed>|\((\d+))(.*)')


class Counters(http.client.HTTPConnection):
    """The counters of the emulated VM."""

    def __init__(self, path):
        super().__init__('azure')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    @classmethod
    def read(cls, path):
        connection = cls(path)
        connection.request('GET', '/counters')
        return json.load(connection.getresponse())


def waits(trace):
    """What the program waited for, in order: [part, command or None, begin, end]; when the program began, and ended."""
    found, device, part = [], None, None
    for line in trace:
        command = COMMAND.match(line)
        if command:
            begin, device, code = command.groups()
            name = NAMES[int(code.replace('\\x', ''), 16)]
            if name == 'GetRandom':  # the first one after the device was opened
                part = DETECTION if part is None else DATA
            elif name == 'ReadPublic':
                part = QUOTE
            elif part == QUOTE and name not in ('Quote', 'PCR_Read'):
                part = HCL
            found.append([part, name, float(begin), None])
            continue
        other = OTHER.match(line)
        if not other:
            continue
        stamp, call, descriptor, rest = other.groups()
        if call == 'connect' and 'htons(80)' in rest:
            found.append([METADATA, None, float(stamp), None])
        elif found and found[-1][1]:
            if call == 'read' and descriptor in (device, None):
                found[-1][3] = float(stamp)
        elif found and call == 'recvfrom' and not found[-1][3] and '= -1' not in rest and '<unfinished' not in rest:
            found[-1][3] = float(stamp)
    return found, *(float(trace[i].split()[1]) for i in (0, -1))


def parts_of(found, began, ended):
    """For each part seconds of waiting and of the program's own work, which counts for the part that it follows."""
    table = collections.defaultdict(lambda: [0, 0.0, 0.0])
    table['start of both processes'][2] = found[0][2] - began
    for i, (part, name, begin, end) in enumerate(found):
        after = found[i + 1][2] if i + 1 < len(found) else ended
        table[part][0] += name is not None
        table[part][1] += end - begin
        table[part if i + 1 < len(found) else 'the rest: look, JSON, end'][2] += after - end
    return table


def traced(sealpod):
    with tempfile.NamedTemporaryFile('r') as log:
        subprocess.run([*TRACE, '-o', log.name, sealpod, *ATTEST], check=True, capture_output=True)
        lines = [line for line in log if ' +++ ' not in line and ' --- ' not in line]
    return waits(lines)


def inside(sealpod, runs, control):
    """On the emulated VM: the figures, as one line of JSON."""
    attest(sealpod)
    before = Counters.read(control)
    walls = [attest(sealpod)[0] for _ in range(runs)]
    after = Counters.read(control)
    traces = [traced(sealpod) for _ in range(runs)]
    swtpm = {name: (micros - before['tpm_us'].get(name, 0)) / runs / 1000 for name, micros in after['tpm_us'].items()}
    print(json.dumps({
        'first': before['total'], 'later': (after['total'] - before['total']) / runs, 'walls': walls, 'swtpm': swtpm, 'traces': traces}))


def medians(rows):
    return [statistics.median(column) for column in zip(*rows)]


def report(kind, found):
    tables = [parts_of(*trace) for trace in found['traces']]
    print(f'\n{"az-" + kind + "-vtpm":34}{"TPM commands":>14}{"waiting, ms":>14}{"own work, ms":>14}')
    names = list(dict.fromkeys(name for table in tables for name in table))
    for name in names:
        count, waiting, own = medians([table[name] for table in tables])
        print(f'{name:34}{count:14.0f}{1000 * waiting:14.2f}{1000 * own:14.2f}')
    count, waiting, own = medians([[sum(column) for column in zip(*table.values())] for table in tables])
    print(f'{"all, under strace":34}{count:14.0f}{1000 * waiting:14.2f}{1000 * own:14.2f}')
    spent = collections.defaultdict(list)
    for seen, _, _ in found['traces']:
        for _, name, begin, end in seen:
            spent[name or 'metadata service'].append(1000 * (end - begin))
    runs = len(found['traces'])
    print('waits: ' + ', '.join(f'{len(times) / runs:g} {name} of {statistics.median(times):.2f} ms'
                                for name, times in sorted(spent.items(), key=lambda item: -sum(item[1]))))
    fixed = [name for name in FIXED if name in found['swtpm']]
    print(f'not traced: {1000 * statistics.median(found["walls"]):.1f} ms in all, {sum(found["swtpm"].values()):.1f} ms of them in swtpm (mean), '
          f'{found["later"]:g} commands; {found["first"]} the first time after the boot, '
          'when there is no index for report data yet')
    print(f'in swtpm: {sum(found["swtpm"][name] for name in fixed):.2f} ms for what any evidence takes ('
          + ', '.join(f'{name} {found["swtpm"][name]:.2f}' for name in fixed)
          + f'), {sum(millis for name, millis in found["swtpm"].items() if name not in fixed):.2f} ms for looking up by library and program')


def main():
    parser = argparse.ArgumentParser(description='measure the parts of evidence on Azure')
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--build', choices=['static', 'debug'], default='static')
    parser.add_argument('--inside', help=argparse.SUPPRESS)
    parser.add_argument('sealpod', nargs='?', help='measure this program instead of a build')
    options = parser.parse_args()
    if options.inside:
        inside(options.sealpod, options.runs, options.inside)
        return
    subprocess.run([TOP / 'tools' / 'need-packages.sh', 'bench'], check=True)
    sealpod = options.sealpod or str(pathlib.Path(tool(TOP / 'tools' / 'build.sh', options.build)) / 'agent' / 'sealpod')
    azure = TOP / 'build' / 'azure'
    subprocess.run([tool(TOP / 'tools' / 'go.sh'), 'build', '-o', azure, './cmd/azure'], cwd=TOP / 'tests' / 'tee' / 'azure', check=True)
    print(f'sealpod attest on an emulated Azure VM, median of {options.runs} runs: {sealpod}')
    with tempfile.TemporaryDirectory(prefix='sealpod-bench-') as folder:
        for kind in ('snp', 'tdx'):
            control = os.path.join(folder, kind)
            report(kind, json.loads(tool(*([] if os.geteuid() == 0 else ['sudo', '-n']), azure, '--kind', kind, '--control', f'unix:{control}', '--', sys.executable, __file__,
                                         '--runs', options.runs, '--inside', control, sealpod)))


if __name__ == '__main__':
    os.umask(0o022)
    sys.exit(main())
