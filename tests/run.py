#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the test suites, counts single tests, and closes with the line
'N passed, N failed'.

usage: run.py [SUITE...]      without a name: those of DEFAULT below, in that order

What passes is quiet, what fails is shown. A suite fails that ran no test or took
longer than its budget; building is outside of the budgets. Exit status 1 if
anything failed.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import own_root

TOP = pathlib.Path(__file__).resolve().parent.parent
TESTS = TOP / 'tests'
DEFAULT = ['lint', 'unit', 'sanitize', 'toml', 'kbs', 'guest', 'differential', 'tee', 'azure', 'e2e']
# "Possibly lost" is what belongs to a thread that still runs when the program ends.
VALGRIND = ['valgrind', '-q', '--vgdb=no', '--error-exitcode=99', '--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite']


class Failed(Exception):
    """What a suite needs could not be made; the message is for people."""


class Tally:
    """What one suite found. The output of failures is kept for showing."""

    def __init__(self):
        self.passed = self.failed = 0
        self.shown = []

    def fail(self, text, count=1):
        self.failed += count
        self.shown.append(text.rstrip())


def indented(text):
    """Nothing that a failing test prints may look like our closing line."""
    return ''.join('    ' + line + '\n' for line in text.splitlines())


def call(command, limit=None, **options):
    """Runs a command to its end and returns (status, output). Past the limit its process group is ended."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True, **options)
        try:
            process.wait(limit)
        except BaseException as problem:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
        output.seek(0)
        return process.returncode, output.read().decode(errors='replace')


# What the suites are made of, built at first need. ---------------------------

made = {}


def make(name, command, **options):
    """Runs a build once and returns the last line that it printed."""
    if name not in made:
        began = time.monotonic()
        print(f'{name}: building', end='', flush=True)
        process = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, errors='replace', check=False, **options)
        print(f', {time.monotonic() - began:.1f} s', flush=True)
        made[name] = process
        sys.stdout.write(indented(process.stderr))
    process = made[name]
    if process.returncode != 0:
        raise Failed(f'cannot build {name} (status {process.returncode}); what it said stands above\n{process.stdout}')
    return (process.stdout.splitlines() or [''])[-1]


def build(name):
    return pathlib.Path(make(name, [TOP / 'tools' / 'build.sh', name]))


def environment(**more):
    """The environment with a Go that is new enough first on its path."""
    go = make('go', [TOP / 'tools' / 'go.sh'])
    return {**os.environ, 'GO': go, 'GOTOOLCHAIN': 'local', 'PATH': f'{os.path.dirname(go)}:{os.environ["PATH"]}',
            **{name: str(value) for name, value in more.items()}}


def spire():
    return pathlib.Path(make('spire', [TESTS / 'spire' / 'build.sh'], env=environment()))


def go_ready(module):
    """Vets a module's tests, and compiles them outside of the budget."""
    folder = TESTS / module
    make(f'{module}-vet', ['go', 'vet', './...'], cwd=folder, env=environment())
    make(f'{module}-compile', ['go', 'test', '-count=1', '-run', '^$', './...'], cwd=folder, env=environment(**{STAGE: 'compile'}))


# Counting. -------------------------------------------------------------------

def count_cmocka(tally, name, text, good):
    """Counts the lines of a C test program; a program without them is one test."""
    passed = len(re.findall(r'^\[ {7}OK \]', text, re.M))
    failed = len(re.findall(r'^\[  FAILED  \] (?!\d+ test)\S+$', text, re.M))
    skipped = len(re.findall(r'^\[  SKIPPED \] (?!\d+ test)\S+$', text, re.M))
    planned = sum(int(n) for n in re.findall(r'^\[=+\] (?:\S+: )?Running (\d+) test', text, re.M))
    replayed = re.search(r'^(\d+) inputs replayed$', text, re.M)
    closing = re.findall(r'^(\d+) passed, (\d+) failed$', text, re.M)
    if planned:
        # cmocka says FAILED twice, once in its summary. Since 2.0 it names the group before the numbers.
        failed = max(planned - passed - skipped, 1 if failed else 0)
    elif closing:
        passed, failed = (int(n) for n in closing[-1])
    elif good:
        passed = int(replayed.group(1)) if replayed else 1
    tally.passed += passed
    if failed or not good:
        tally.fail(f'{name} failed\n{text}', max(failed, 1))


def count_meson(tally, log):
    """Reads meson's record of a run, one line a program."""
    for line in log.read_text(errors='replace').splitlines():
        test = json.loads(line)
        if test['result'] == 'SKIP':
            tally.fail(f'{test["name"]} was skipped: what it needs is missing')
            continue
        good = test['result'] in ('OK', 'EXPECTEDFAIL')
        text = test.get('stdout', '') + test.get('stderr', '') if good else \
            f'{test["result"]}, status {test["returncode"]}\n{test.get("stdout", "")}{test.get("stderr", "")}'
        count_cmocka(tally, test['name'], text, good)


def count_go(tally, text, status):
    """Counts the events of `go test -json`: tests without subtests, and whatever else failed."""
    outcome, output, other = {}, {}, []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            other.append(line)
            continue
        test = (event.get('Package', ''), event.get('Test', ''))
        if event['Action'] in ('pass', 'fail', 'skip'):
            outcome[test] = event['Action']
        elif event['Action'] == 'output':
            output.setdefault(test, []).append(event['Output'])
    parents = {(package, name[:at.start()]) for package, name in outcome for at in re.finditer('/', name)}
    leaves = [test for test in outcome if test[1] and test not in parents]
    tally.passed += sum(outcome[test] == 'pass' for test in leaves)
    failed = [test for test in leaves if outcome[test] == 'fail']
    # A parent, a package or a run may fail by itself, and a test that never ended is a failure too.
    failed = failed or [test for test in outcome if outcome[test] == 'fail']
    for test in failed:
        tally.fail(' '.join(filter(None, test)) + ' failed\n' + ''.join(output.get(test, [])))
    # Tests that were cut off by the end of the program have nothing to say for themselves; what it last said has.
    unended = [test for test in output if test[1] and test not in outcome and test not in parents and outcome.get((test[0], '')) != 'skip']
    if unended:
        last = [line for lines in output.values() for line in lines if not re.match(r'=== |\s*--- ', line)][-80:] + other[-20:]
        tally.fail(f'{len(unended)} tests did not end: {" ".join(name for _, name in unended)}\n' + ''.join(last), len(unended))
    if status != 0 and not (failed or unended):
        tally.fail(f'status {status}\n' + '\n'.join(other) + ''.join(text for test in output if not test[1] for text in output[test]))


# The suites: each makes what it needs, then returns a function that runs it. ---

def meson(name, suites, wrapper=None):
    directory = build(name)
    agent = spire() / 'spire-agent' if 'unit' in suites else ''
    run_environment = environment(SPIRE_AGENT=agent)
    # meson would count a name twice if it were left from another run.
    base = f'log-{"-".join(suites)}' + ('-wrapped' if wrapper else '')
    command = ['meson', 'test', '-C', directory, '--no-rebuild', '--logbase', base]
    command += [word for suite in suites for word in ('--suite', suite)]
    if wrapper:
        command += ['--wrapper', ' '.join(str(word) for word in wrapper), '-t', '10']

    def run(tally, limit):
        log = directory / 'meson-logs' / (base + ('-' + os.path.basename(wrapper[0]) if wrapper else '') + '.json')
        log.unlink(missing_ok=True)
        # Tests that fail or are ended leave things behind.
        with tempfile.TemporaryDirectory(prefix='sealpod-test-') as name:
            status, text = call(command, limit, env={**run_environment, 'TMPDIR': name})
        if log.exists():
            count_meson(tally, log)
        if status != 0 and not tally.failed:
            tally.fail(f'{" ".join(str(word) for word in command)}: status {status}\n{text}')
    return run


def go_module(module, **more):
    go_ready(module)
    run_environment = environment(**more)

    def run(tally, limit):
        status, text = call(['go', 'test', '-json', '-count=1', './...'], limit, cwd=TESTS / module, env=run_environment)
        count_go(tally, text, status)
    return run


STAGE = 'SEALPOD_E2E_STAGE'


def shared_copy(folder, name, program):
    """The tests run programs as several users, who may not all look into where they lie."""
    copy = folder / name
    try:
        os.link(program, copy)
    except OSError:
        shutil.copy2(program, copy)
    return copy


def end_to_end(sealpod, release='static', prefix=(), **more):
    """The end-to-end suite on the test build of that name."""
    programs = {
        'SEALPOD': build(sealpod) / 'agent' / 'sealpod', 'SEALPOD_RELEASE': build(release) / 'agent' / 'sealpod',
        'SEALPODCTL': build(sealpod) / 'ctl' / 'sealpodctl',
        'SPIRE_SERVER': spire() / 'spire-server', 'SPIRE_AGENT': spire() / 'spire-agent',
    }
    make('spiffe-helper', [TESTS / 'spiffe-helper' / 'build.sh'], env=environment())
    module = TESTS / 'e2e'
    make('e2e-vet', ['go', 'vet', './...'], cwd=module, env=environment())
    binary = TOP / 'build' / 'e2e.test'
    make('e2e-compile', ['go', 'test', '-c', '-o', binary, '.'], cwd=module, env=environment())

    def run(tally, limit):
        with tempfile.TemporaryDirectory(prefix='sealpod-test-') as name:
            folder = pathlib.Path(name)
            folder.chmod(0o755)
            settings = {key: shared_copy(folder, key.lower(), path) for key, path in programs.items()}
            words = list(prefix)
            logs = folder / 'logs'
            if words:
                logs.mkdir()
                logs.chmod(0o1777)
                words.append(f'--log-file={logs}/%p')
                settings['SEALPOD_PREFIX'] = ' '.join(words)
            settings.update(more)
            as_root = [] if os.geteuid() == 0 else ['sudo', '-n', 'env', *(f'{key}={value}' for key, value in settings.items())]
            status, text = call(['go', 'tool', 'test2json', '-t', '-p', 'e2e', *as_root, binary, '-test.v=test2json'],
                                limit, cwd=module, env=environment(**settings))
            count_go(tally, text, status)
            count_reports(tally, logs)
    return run


def count_reports(tally, logs):
    """valgrind's reports, one file a process; most are empty, and no file at all means no valgrind."""
    if not logs.exists():
        return
    reports = sorted(logs.iterdir())
    if not reports:
        tally.fail('valgrind left no log: was it run?')
    for report in reports:
        # The other lines are valgrind's about itself, as of system calls that it does not know.
        text = '\n'.join(line for line in report.read_text(errors='replace').splitlines() if line.startswith('=='))
        if text:
            tally.fail(f'valgrind reports\n{text}')


def need(group):
    make(f'packages for {group}', [TOP / 'tools' / 'need-packages.sh', group])


def valgrind():
    need('valgrind')
    return meson('test', ['unit', 'corpus'], [TESTS / 'valgrind.sh'])


def valgrind_end_to_end():
    need('valgrind')
    # The agent, which the program execs, runs as itself; forked processes stay under valgrind.
    return end_to_end('test', prefix=[*VALGRIND, '--trace-children=no'])


def differential():
    # Go packages whose readers ours are held against.
    return go_module('differential', EVIDENCE_DUMP=build('test') / 'tests' / 'differential' / 'evidence-dump')


# Name: budget in seconds, what to run.
SUITES = {
    'lint': (30, lambda: meson('test', ['lint'])),
    'unit': (90, lambda: meson('test', ['unit', 'corpus'])),
    'sanitize': (240, lambda: meson('sanitize', ['unit', 'corpus'])),
    'toml': (120, lambda: meson('test', ['conformance'])),
    'kbs': (120, lambda: go_module('kbs')),
    'guest': (120, lambda: go_module('guest')),
    'differential': (120, differential),
    'tee': (180, lambda: go_module('tee')),
    'azure': (180, lambda: go_module('tee/azure', SEALPOD=build('static') / 'agent' / 'sealpod')),
    'e2e': (900, lambda: end_to_end('static-sample')),
    'e2e-sanitize': (1200, lambda: end_to_end('sanitize')),
    'e2e-long': (1800, lambda: end_to_end('static-sample', SEALPOD_LONG='1')),
    'valgrind': (900, valgrind),
    'e2e-valgrind': (2400, valgrind_end_to_end),
}


def run_suite(name):
    budget, prepare = SUITES[name]
    tally = Tally()
    began = time.monotonic()
    try:
        run = prepare()
        began = time.monotonic()
        run(tally, 2 * budget)
    except Failed as problem:
        tally.fail(str(problem))
    took = time.monotonic() - began
    if took > budget:
        tally.fail(f'{name} took {took:.1f} s, longer than its budget of {budget} s')
    if tally.passed + tally.failed == 0:
        tally.fail(f'{name} ran no test')
    for text in tally.shown:
        sys.stdout.write(indented(text))
    print(f'{name}: {tally.passed} passed, {tally.failed} failed, {took:.1f} s of {budget} s', flush=True)
    return tally


def main(names):
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f'no suite \'{unknown[0]}\'; there are: {" ".join(SUITES)}', file=sys.stderr)
        return 100
    tallies = [run_suite(name) for name in names or DEFAULT]
    failed = sum(tally.failed for tally in tallies)
    print(f'{sum(tally.passed for tally in tallies)} passed, {failed} failed', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    if os.geteuid() == 0 and not own_root.root_is_a_mount():
        # A chroot: tests that enter a namespace of theirs would leave it.
        own_root.execute([sys.executable, __file__, *sys.argv[1:]])
    # Whoever ends this ends what it has started: call() sees to that.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
