#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `sealpod run` up to the start of the agent: wall and CPU time, peak
memory of both processes, system calls. The broker is the tests' own, on loopback
with TLS, the attester the emulated 'sample'; the agent is bench/probe.c.

usage: start.py [--runs N] [--build static-sample|test]
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

TOP = pathlib.Path(__file__).resolve().parent.parent
CONFIG = '''
[kbs]
url = "{url}"
ca_file = "{ca}"
[credential]
pem = "kbs:///default/x509pop/agent"
[spire]
trust_domain = "bench.test"
server_address = "127.0.0.1"
trust_bundle = "kbs:///default/spire/bundle"
[agent]
path = "{probe}"
runtime_dir = "{runtime}"
socket_path = "{runtime}/api.sock"
'''


def tool(*command):
    """The last line that one of the project's own tools prints."""
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout.split('\n')[-2]


def openssl(folder, *words):
    subprocess.run(['openssl', *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_resources(folder):
    """A CA and a credential issued by it; the bundle is the same CA, which nobody verifies with here."""
    new_key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']
    openssl(folder, 'req', '-x509', *new_key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=bench CA',
            '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign')
    openssl(folder, 'req', '-new', *new_key, '-keyout', 'node.key', '-out', 'node.csr', '-subj', '/CN=node')
    (folder / 'node.ext').write_text('basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n')
    openssl(folder, 'x509', '-req', '-in', 'node.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
            '-extfile', 'node.ext', '-out', 'node.pem')
    for path, parts in {'x509pop/agent': ('node.key', 'node.pem'), 'spire/bundle': ('ca.pem',)}.items():
        resource = folder / 'resources' / 'default' / path
        resource.parent.mkdir(parents=True)
        resource.write_text(''.join((folder / part).read_text() for part in parts))


class Bench:
    def __init__(self, folder, sealpod):
        self.folder, self.sealpod, self.probe = folder, sealpod, folder / 'probe'
        subprocess.run(['gcc', '-O2', '-static', '-o', self.probe, TOP / 'bench' / 'probe.c'], check=True)
        make_resources(folder)
        self.kbs = self.start_kbs()
        said = json.loads(self.kbs.stdout.readline())
        self.command = [sealpod, 'run', '--unmeasured-config', folder / 'sealpod.toml']
        (folder / 'sealpod.toml').write_text(CONFIG.format(url=said['url'], ca=said['ca'], probe=self.probe, runtime=folder / 'run'))
        (folder / 'run').mkdir()

    def start_kbs(self):
        program = TOP / 'build' / 'kbs'
        go = tool(TOP / 'tools' / 'go.sh')
        subprocess.run([go, 'build', '-o', program, './cmd/kbs'], cwd=TOP / 'tests' / 'kbs', check=True)
        return subprocess.Popen([program, '--tls', self.folder / 'kbs.pem', '--resource-dir', self.folder / 'resources',
                                 '--resource-policy', TOP / 'demo' / 'allow.rego'], stdout=subprocess.PIPE)

    def run(self):
        """One start, as a dict of figures."""
        done = subprocess.run([self.probe, 'launch', *self.command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f'sealpod failed with status {done.returncode}:\n{done.stderr}')
        figures = {}
        for line in done.stdout.splitlines():
            figures.update(json.loads(line))
        parent, worker = figures['parent'], figures['worker']
        return {
            'wall, ms': 1000 * (figures['end'] - figures['start']),
            # The kernel knows the sum well, how it divides only by sampling.
            'CPU time of both, ms': 1000 * sum(of[part] for of in (parent, worker) for part in ('user', 'system')),
            'peak memory of the parent, KiB': parent['peak_kib'],
            'peak memory of the worker, KiB': worker['peak_kib'],
        }

    def system_calls(self):
        """How many, of both processes, the two or three of the probe included; None without strace."""
        if not shutil.which('strace'):
            return None
        counts = self.folder / 'strace'
        subprocess.run(['strace', '-f', '-c', '-o', counts, *self.command], check=True, capture_output=True)
        return int(re.search(r'^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$', counts.read_text(), re.M).group(1))


def report(bench, runs):
    bench.run()  # the first reads the programs from the disk
    figures = [bench.run() for _ in range(runs)]
    print(f'sealpod run up to the start of the agent, {runs} runs, emulated TEE, TLS on loopback: {bench.sealpod}')
    print(f'{"":34}{"median":>10}{"least":>10}{"most":>10}')
    for name in figures[0]:
        values = [figure[name] for figure in figures]
        print(f'{name:34}{statistics.median(values):10.1f}{min(values):10.1f}{max(values):10.1f}')
    calls = bench.system_calls()
    if calls:
        print(f'{"system calls of both":34}{calls:10}')


def main():
    parser = argparse.ArgumentParser(description='measure the start of sealpod')
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--build', choices=['static-sample', 'test'], default='static-sample')
    options = parser.parse_args()
    subprocess.run([TOP / 'tools' / 'need-packages.sh', 'bench'], check=True)
    sealpod = pathlib.Path(tool(TOP / 'tools' / 'build.sh', options.build)) / 'agent' / 'sealpod'
    with tempfile.TemporaryDirectory(prefix='sealpod-bench-', dir='/dev/shm') as name:
        bench = None
        try:
            bench = Bench(pathlib.Path(name), sealpod)
            report(bench, options.runs)
        finally:
            if bench:
                bench.kbs.terminate()
                bench.kbs.wait()


if __name__ == '__main__':
    os.umask(0o022)
    sys.exit(main())
