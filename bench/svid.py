#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `sealpod svid` and the real spiffe-helper side by side on one real
SPIRE agent: memory, CPU time a rotation, time to the first files, obedience, size.

The agent renews the SVIDs at each of its synchronisations, four times a second:
their life is so short that half of it is always over.

usage: svid.py [--rotations N] [--runs N] [--long] [--sealpod FILE] [--helper FILE] [--spire DIRECTORY]
       --long: 1,000 rotations instead of 60
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
DOMAIN = 'bench.test'
FILES = ('svid.pem', 'svid_key.pem', 'svid_bundle.pem')
SHORT, HOUR = 6, 3600


def tool(*command, **environment):
    """The last line that one of the project's own tools prints."""
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **environment}).stdout.split('\n')[-2]


def openssl(folder, *words):
    subprocess.run(['openssl', *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until(condition, what, limit=30.0, pause=0.0005):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            sys.exit(f'svid.py: not within {limit} s: {what}')
        time.sleep(pause)
    return time.monotonic()


def connects(path):
    import socket
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
            return True
        except OSError:
            return False


class Lab:
    """A server and an agent; the pieces of the agent's identity are made by openssl."""

    def __init__(self, folder, spire):
        self.folder, self.spire, self.socket = folder, pathlib.Path(spire), folder / 'api.sock'
        self.children = []
        self.make_identity()
        self.start_server()
        self.agent = None

    def make_identity(self):
        new_key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']
        openssl(self.folder, 'req', '-x509', *new_key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=bench CA',
                '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign')
        openssl(self.folder, 'req', '-new', *new_key, '-keyout', 'node.key', '-out', 'node.csr', '-subj', '/CN=node')
        (self.folder / 'node.ext').write_text('basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n')
        openssl(self.folder, 'x509', '-req', '-in', 'node.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
                '-extfile', 'node.ext', '-out', 'node.pem')
        der = subprocess.run(['openssl', 'x509', '-in', self.folder / 'node.pem', '-outform', 'DER'], check=True,
                             stdout=subprocess.PIPE).stdout
        import hashlib
        self.parent = f'spiffe://{DOMAIN}/spire/agent/x509pop/{hashlib.sha1(der).hexdigest()}'

    def spawn(self, command, log):
        with open(self.folder / log, 'ab') as output:
            child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.children.append(child)
        return child

    def server(self, *words):
        return subprocess.run([self.spire / 'spire-server', *words, '-socketPath', self.folder / 'srv.sock'], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def start_server(self):
        import socket
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        config = {'server': {'bind_address': '127.0.0.1', 'bind_port': str(self.port), 'socket_path': str(self.folder / 'srv.sock'),
                             'trust_domain': DOMAIN, 'data_dir': str(self.folder / 'srv'), 'log_level': 'WARN', 'ratelimit': {'attestation': False},
                             'experimental': {'cache_reload_interval': '250ms'}},
                  'plugins': {'DataStore': [{'sql': {'plugin_data': {'database_type': 'sqlite3',
                                                                     'connection_string': str(self.folder / 'srv' / 'db')}}}],
                              'KeyManager': [{'disk': {'plugin_data': {'keys_path': str(self.folder / 'srv' / 'keys')}}}],
                              'NodeAttestor': [{'x509pop': {'plugin_data': {'ca_bundle_path': str(self.folder / 'ca.pem')}}}]}}
        (self.folder / 'srv').mkdir()
        (self.folder / 'server.json').write_text(json.dumps(config))
        self.spawn([self.spire / 'spire-server', 'run', '-config', self.folder / 'server.json'], 'server.log')
        until(lambda: connects(self.folder / 'srv.sock'), 'the server')
        (self.folder / 'bundle.pem').write_text(self.server('bundle', 'show'))

    def start_agent(self):
        config = {'agent': {'data_dir': tempfile.mkdtemp(dir=self.folder), 'log_level': 'WARN', 'server_address': '127.0.0.1',
                            'server_port': str(self.port), 'socket_path': str(self.socket), 'trust_domain': DOMAIN,
                            'trust_bundle_path': str(self.folder / 'bundle.pem'), 'experimental': {'sync_interval': '250ms'}},
                  'plugins': {'KeyManager': [{'memory': {'plugin_data': {}}}],
                              'NodeAttestor': [{'x509pop': {'plugin_data': {'private_key_path': str(self.folder / 'node.key'),
                                                                            'certificate_path': str(self.folder / 'node.pem')}}}],
                              'WorkloadAttestor': [{'unix': {'plugin_data': {}}}]}}
        (self.folder / 'agent.json').write_text(json.dumps(config))
        self.agent = self.spawn([self.spire / 'spire-agent', 'run', '-config', self.folder / 'agent.json'], 'agent.log')
        return until(lambda: connects(self.socket), 'the agent')

    def stop_agent(self):
        self.agent.kill()
        self.agent.wait()
        self.socket.unlink(missing_ok=True)

    def entry(self, ttl):
        text = self.server('entry', 'create', '-parentID', self.parent, '-spiffeID', f'spiffe://{DOMAIN}/w{ttl}', '-selector',
                           f'unix:uid:{os.geteuid()}', '-x509SVIDTTL', str(ttl))
        return next(line.split()[-1] for line in text.splitlines() if line.startswith('Entry ID'))

    def stop(self):
        for child in reversed(self.children):
            child.kill()
            child.wait()


class Program:
    """One of the two."""

    def __init__(self, lab, name, binary):
        self.lab, self.name, self.binary = lab, name, pathlib.Path(binary)
        self.folder = lab.folder / name
        # All of it in the page cache: the kernel then counts more of it as mapped, and always the same.
        self.binary.read_bytes()

    def clear(self):
        subprocess.run(['rm', '-rf', self.folder], check=True)
        self.folder.mkdir()

    def command(self, once):
        raise NotImplementedError

    def complete(self):
        return all((self.folder / name).exists() and (self.folder / name).stat().st_size > 0 for name in FILES)

    def once(self):
        """Milliseconds from exec to exit, files written."""
        self.clear()
        began = time.monotonic()
        subprocess.run([str(word) for word in self.command(True)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        took = time.monotonic() - began
        if not self.complete():
            sys.exit(f'svid.py: {self.name} ended without its files')
        return took * 1000

    def start(self):
        self.clear()
        self.process = self.lab.spawn(self.command(False), self.name + '.log')

    def after_agent(self, head_start):
        """Milliseconds from the agent's first open door to complete files, for one that was there before."""
        self.start()
        time.sleep(head_start)
        ready = self.lab.start_agent()
        done = until(self.complete, f'the files of {self.name}', 60)
        self.stop()
        self.lab.stop_agent()
        return (done - ready) * 1000

    def status(self):
        text = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        fields = dict(line.split(':', 1) for line in text.splitlines())
        return {name: int(fields[name].split()[0]) for name in ('VmHWM', 'VmRSS', 'RssAnon', 'Threads')}

    def cpu_ms(self):
        tasks = pathlib.Path(f'/proc/{self.process.pid}/task').glob('*/schedstat')
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6

    def serial(self):
        try:
            return (self.folder / 'svid.pem').read_bytes()
        except OSError:
            return b''

    def stop(self):
        """Milliseconds that SIGTERM took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()  # with a limit it would look every 50 ms only
        return (time.monotonic() - began) * 1000


class Sealpod(Program):
    def command(self, once):
        return [self.binary, 'svid', '--socket', self.lab.socket, '--directory', self.folder] + (['--once'] if once else [])


class Helper(Program):
    def command(self, once):
        config = self.lab.folder / 'helper.conf'
        names = zip(('svid_file_name', 'svid_key_file_name', 'svid_bundle_file_name'), FILES)
        config.write_text(f'agent_address = "{self.lab.socket}"\ncert_dir = "{self.folder}"\n' +
                          ''.join(f'{key} = "{name}"\n' for key, name in names))
        return [self.binary, '-config', config, f'-daemon-mode={"false" if once else "true"}']


def measure_rotations(programs, rotations):
    """Both at once; each change of sealpod's certificate is one rotation for both. Memory is that in between."""
    for program in programs:
        program.start()
    for program in programs:
        until(program.complete, f'the files of {program.name}', 60)
    first = {program.name: program.cpu_ms() for program in programs}
    leader, seen, last = programs[0], 0, programs[0].serial()
    while seen < rotations:
        until(lambda: leader.serial() not in (b'', last), 'a rotation', 30, 0.02)
        last = leader.serial()
        seen += 1
    result = {}
    for program in programs:
        after = program.status()
        result[program.name] = {'peak': after['VmHWM'], 'late': after['VmRSS'], 'anon': after['RssAnon'],
                                'threads': after['Threads'], 'cpu': (program.cpu_ms() - first[program.name]) / rotations}
    for program in programs:
        program.stop()
    return result


def measure_rest(program):
    """Memory a second after the first files, when the next ones are half an hour away."""
    program.start()
    until(program.complete, f'the files of {program.name}', 60)
    time.sleep(1)
    status = program.status()
    program.stop()
    return status


def measure_end(program, runs):
    """Milliseconds that SIGTERM takes a daemon that has delivered."""
    took = []
    for _ in range(runs):
        program.start()
        until(program.complete, f'the files of {program.name}', 60)
        took.append(program.stop())
    return took


def report(programs, once, after, end, rest, rotation, rotations):
    def row(text, values, digits=0, unit=''):
        ours, theirs = values
        print(f'| {text} | {ours:,.{digits}f}{unit} | {theirs:,.{digits}f}{unit} | {ours / theirs:.2f} |')
    names = [program.name for program in programs]
    print(f'| | {names[0]} | {names[1]} | ratio |\n|---|---|---|---|')
    row('binary', [program.binary.stat().st_size / 1e6 for program in programs], 1, ' MB')
    row('memory, peak (VmHWM)', [rotation[name]['peak'] for name in names], 0, ' kB')
    row('memory after the first files (VmRSS)', [rest[name]['VmRSS'] for name in names], 0, ' kB')
    row(f'memory after {rotations:,} rotations (VmRSS)', [rotation[name]['late'] for name in names], 0, ' kB')
    row('of its own (RssAnon) after the first files', [rest[name]['RssAnon'] for name in names], 0, ' kB')
    row(f'of its own (RssAnon) after {rotations:,} rotations', [rotation[name]['anon'] for name in names], 0, ' kB')
    row('threads', [rotation[name]['threads'] for name in names])
    row('CPU time a rotation', [rotation[name]['cpu'] for name in names], 2, ' ms')
    row('one-shot, agent ready: exec to exit (median)', [statistics.median(once[name]) for name in names], 1, ' ms')
    row('daemon there before the agent: agent ready to files complete (median)', [statistics.median(after[name]) for name in names], 0, ' ms')
    row('SIGTERM to exit (median)', [statistics.median(end[name]) for name in names], 1, ' ms')


def find_programs(options):
    go = {'GO': tool(TOP / 'tools' / 'go.sh')} if not (options.helper and options.spire) else {}
    sealpod = options.sealpod
    if not sealpod:
        tool(TOP / 'tools' / 'build.sh', 'static')
        sealpod = TOP / 'build' / 'sealpod'
    helper = options.helper or pathlib.Path(tool(TOP / 'tests' / 'spiffe-helper' / 'build.sh', **go)) / 'spiffe-helper'
    return sealpod, helper, options.spire or tool(TOP / 'tests' / 'spire' / 'build.sh', **go)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rotations', type=int)
    parser.add_argument('--runs', type=int, default=15)
    parser.add_argument('--long', action='store_true')
    for name in ('sealpod', 'helper', 'spire'):
        parser.add_argument('--' + name)
    options = parser.parse_args()
    rotations = options.rotations or (1000 if options.long else 60)
    sealpod, helper, spire = find_programs(options)
    with tempfile.TemporaryDirectory(dir='/dev/shm', prefix='sealpod-bench-') as folder:
        lab = Lab(pathlib.Path(folder), spire)
        try:
            programs = [Sealpod(lab, 'sealpod', sealpod), Helper(lab, 'spiffe-helper', helper)]
            entry = lab.entry(HOUR)
            time.sleep(1)  # the server's own interval is a quarter of that
            after = {program.name: [program.after_agent(2.5) for _ in range(max(3, options.runs // 3))] for program in programs}
            lab.start_agent()
            once = {program.name: [] for program in programs}
            for _ in range(options.runs):
                for program in programs:
                    once[program.name].append(program.once())
            end = {program.name: measure_end(program, options.runs) for program in programs}
            rest = {program.name: measure_rest(program) for program in programs}
            lab.entry(SHORT)
            lab.server('entry', 'delete', '-entryID', entry)
            time.sleep(2)
            report(programs, once, after, end, rest, measure_rotations(programs, rotations), rotations)
        finally:
            lab.stop()


if __name__ == '__main__':
    main()
