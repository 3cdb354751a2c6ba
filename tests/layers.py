#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on an #include that crosses the drawn lines between the folders.

The folders are layers: base knows nobody, the four in the middle know base and
themselves, config knows those, agent and ctl know all but each other. Third-party libraries live behind a few files
each; that is looked at through the headers in between, so that no header can
hand a library on to where it may not be. What is not on a list here is refused:
a new library gets its place by a line in this file.

usage: layers.py ROOT
"""
import fnmatch
import os
import re
import sys
import tempfile

MIDDLE = ('attest', 'initdata', 'cdh-client', 'spire')
TOP = ('agent', 'ctl')
BELOW = ('base',) + MIDDLE + ('config',)
LAYERS = BELOW + TOP
ARROWS = {
    'base': ('base',),
    **{folder: ('base', folder) for folder in MIDDLE},
    'config': BELOW,
    **{folder: BELOW + (folder,) for folder in TOP},
}

# Header -> the .c files that may see it.
THIRD_PARTY = (
    ('curl/*', ('base/http*.c', 'base/wipe.c')),
    ('cjson/cJSON.h', ('base/json*.c',)),
    ('cJSON.h', ('base/json*.c',)),
    ('tss2/*', ('attest/tpm*.c',)),
    ('openssl/*', tuple(folder + '/*.c' for folder in ('base',) + MIDDLE)),
    ('sodium.h', ('base/*.c',)),
    ('proto/workload.pb-c.h', ('spire/workload_proto.c',)),
    ('proto/spire_server.pb-c.h', ('spire/entry_proto.c',)),
    ('proto/attestation_agent.pb-c.h', ('cdh-client/aa.c',)),
    ('proto/confidential_data_hub.pb-c.h', ('cdh-client/cdh.c',)),
    ('proto/ttrpc.pb-c.h', ('cdh-client/ttrpc_frame.c',)),
    ('protobuf-c/*', ('spire/entry_proto.c', 'spire/workload_proto.c', 'cdh-client/aa.c', 'cdh-client/cdh.c', 'cdh-client/pb.c', 'cdh-client/ttrpc_frame.c')),
    ('zlib.h', ('initdata/gunzip.c', 'initdata/gzip.c')),
)

# The C library and the kernel.
SYSTEM_FOLDERS = ('sys', 'linux', 'asm', 'arpa', 'net', 'netinet')
SYSTEM = set('''
    aio assert byteswap complex cpio ctype dirent dlfcn elf endian err errno error execinfo fcntl fenv features
    float fnmatch fts ftw getopt glob gnu-versions grp iconv ifaddrs inttypes iso646 langinfo libgen limits link
    locale malloc math mntent monetary mqueue netdb nl_types paths poll pthread pty pwd regex resolv sched search
    semaphore setjmp signal spawn stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string
    strings sysexits syslog tar termios tgmath threads time uchar ucontext ulimit unistd utime utmpx wchar wctype
    wordexp'''.split())

INCLUDE = re.compile(r'^[ \t]*#[ \t]*(include\w*|import)\b[ \t]*(.*)$', re.M)
TARGET = re.compile(r'^(?:<([^>]+)>|"([^"]+)")\s*$')


def without_comments(text):
    """Comments become blanks of as many lines; text in quotes stays."""
    def blank(match):
        token = match.group(0)
        return token if token[0] in '"\'' else ' ' + '\n' * token.count('\n')
    text = text.replace('\\\n', ' ')
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.includes = {}  # path -> [(line, kind, name)], kind 'own', 'foreign' or 'odd'
        for folder in LAYERS:
            for where, _, names in os.walk(os.path.join(root, folder)):
                for name in names:
                    if name.endswith(('.c', '.h')):
                        path = os.path.relpath(os.path.join(where, name), root)
                        self.includes[path] = self.read(path)

    def read(self, path):
        found = []
        with open(os.path.join(self.root, path), encoding='utf-8') as file:
            text = without_comments(file.read())
        for match in INCLUDE.finditer(text):
            line = text.count('\n', 0, match.start()) + 1
            target = TARGET.match(match.group(2))
            if match.group(1) != 'include' or not target:
                found.append((line, 'odd', match.group(0).strip()))
            elif target.group(1):
                found.append((line, 'foreign', target.group(1)))
            else:
                found.append((line, 'own', target.group(2)))
        return found

    def foreign_seen_from(self, path):
        """(line in path, header, by way of) for every foreign header, however deep."""
        for line, kind, name in self.includes[path]:
            if kind == 'foreign':
                yield line, name, None
            elif kind == 'own':
                for header in self.foreign_below(name, set()):
                    yield line, header, name

    def foreign_below(self, path, seen):
        if path in seen or path not in self.includes:
            return
        seen.add(path)
        for _, kind, name in self.includes[path]:
            if kind == 'foreign':
                yield name
            elif kind == 'own':
                yield from self.foreign_below(name, seen)


def is_system(header):
    folder, _, rest = header.rpartition('/')
    return folder.split('/')[0] in SYSTEM_FOLDERS if folder else rest[:-2] in SYSTEM and rest.endswith('.h')


def keepers_of(header):
    for pattern, files in THIRD_PARTY:
        if fnmatch.fnmatchcase(header, pattern):
            return files
    return None


def bad_own_include(tree, path, name):
    folder = path.split('/')[0]
    if name not in tree.includes:
        return "no such header in a layer; write the path from the top, 'folder/name.h'"
    if not name.endswith('.h'):
        return 'only headers are included'
    if name.split('/')[0] not in ARROWS[folder]:
        return '%s may include %s only' % (folder, ', '.join(ARROWS[folder]))
    return None


def bad_foreign_include(path, header):
    files = keepers_of(header)
    if files is None:
        return None if is_system(header) else 'unknown header; give it a place in tests/layers.py'
    if path.endswith('.h') or any(fnmatch.fnmatchcase(path, pattern) for pattern in files):
        return None  # a header is judged by the files that see it
    return 'only for %s' % ', '.join(files)


def problems(root):
    tree = Tree(root)
    if not any(path.startswith('base/') for path in tree.includes):
        return ["%s: no sources in 'base'" % root]
    found = set()
    for path, includes in tree.includes.items():
        for line, kind, name in includes:
            why = 'not a plain include' if kind == 'odd' else None
            why = bad_own_include(tree, path, name) if kind == 'own' else why
            if why:
                found.add((path, line, "'%s': %s" % (name, why)))
        for line, header, way in tree.foreign_seen_from(path):
            why = bad_foreign_include(path, header)
            if why and (not way or keepers_of(header)):
                found.add((path, line, "<%s>%s: %s" % (header, " by '%s'" % way if way else '', why)))
    return ['%s:%d: %s' % row for row in sorted(found)]


# One bad include each, with the line in which it must be found.
BAD = {
    'base/up.c': (2, '/* "base/x.h" */\n#include "attest/x.h"\n'),
    'base/foreign.c': (1, '#include <curl/curl.h>\n'),
    'base/json.h': (1, '#include "agent/x.h"\n'),
    'attest/side.c': (1, '  #  include "spire/x.h" /* sideways */\n'),
    'spire/sodium.c': (1, '#include <sodium.h>\n'),
    'spire/through.c': (1, '#include "base/leak.h"\n'),
    'cdh-client/tpm.c': (1, '#include <tss2/tss2_esys.h>\n'),
    'initdata/macro.c': (3, '#define X "base/x.h"\n\n#include X\n'),
    'agent/tls.c': (1, '#include <openssl/ssl.h>\n'),
    'agent/short.c': (1, '#include "x.h"\n'),
    'agent/source.c': (1, '#include "base/fine.c"\n'),
    'ctl/cjson.c': (1, '#include <cjson/cJSON.h>\n'),
    'ctl/new.c': (1, '#include <archive.h>\n'),
    'ctl/over.c': (1, '#include "agent/x.h"\n'),
    'config/up.c': (1, '#include "ctl/x.h"\n'),
    'ctl/dots.c': (1, '#include "../base/x.h"\n'),
}
FINE = {
    'base/x.h': '#include <stdio.h>\n',
    'base/leak.h': '#include <cjson/cJSON.h>\n',
    'base/json_a.c': '#include "base/leak.h"\n',
    'base/fine.c': '// #include "agent/x.h"\n/*\n#include "agent/x.h"\n*/\n#include <sys/mman.h>\n#include <sodium.h>\n',
    'base/http_a.c': '#include <curl/curl.h>\n#include <openssl/ssl.h>\n',
    'attest/x.h': '#include "base/x.h"\n',
    'attest/tpm_a.c': '#include "attest/x.h"\n#include <tss2/tss2_esys.h>\n',
    'spire/x.h': '',
    'agent/x.h': '#include "attest/x.h"\n#include "spire/x.h"\n',
    'config/x.h': '#include "spire/x.h"\n',
    'ctl/x.h': '#include "config/x.h"\n',
    'ctl/a.c': '#include "attest/x.h"\nchar s[] = "/*"; char t[] = "*/";\n',
}


def check_myself():
    """A made-up tree with every kind of bad include: each must be found, and nothing else."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**FINE, **{path: text for path, (_, text) in BAD.items()}}.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
                file.write(text)
        found = {':'.join(row.split(':')[:2]) for row in problems(root)}
    wanted = {'%s:%d' % (path, line) for path, (line, _) in BAD.items()}
    if found != wanted:
        sys.exit('layers.py is blind: missed %s, made up %s' % (sorted(wanted - found), sorted(found - wanted)))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    check_myself()
    rows = problems(sys.argv[1])
    for row in rows:
        print(row)
    sys.exit(1 if rows else 0)


if __name__ == '__main__':
    main()
