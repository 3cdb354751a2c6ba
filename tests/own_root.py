#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Executes a command in a mount namespace of its own, of which nobody else sees the
mounts: own_root.py COMMAND...

In a chroot the namespace's root becomes what / is here: whoever enters the
namespace later (nsenter) would find the machine's root otherwise.
"""
import ctypes
import os
import pathlib
import platform
import sys

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2
AT_EMPTY_PATH, AT_RECURSIVE = 0x1000, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 4, 0x40

# The same everywhere but for the oldest.
SYS_OPEN_TREE, SYS_MOVE_MOUNT = 428, 429
SYS_PIVOT_ROOT = {'x86_64': 155}.get(platform.machine(), 41)

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    """A function of libc, or a system call by its number."""
    result = libc.syscall(name, *args) if isinstance(name, int) else libc[name](*args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f'{name}: {os.strerror(number)}')
    return result


def root_is_a_mount():
    lines = pathlib.Path('/proc/self/mountinfo').read_text(errors='replace').splitlines()
    return any(line.split()[4] == '/' for line in lines)


def make_private():
    call('mount', None, b'/', None, MS_REC | MS_PRIVATE, None)


def take_root():
    """Makes what is / for this process the root of its mount namespace."""
    here = os.open('/', os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespace = os.open('/proc/self/ns/mnt', os.O_RDONLY | os.O_CLOEXEC)
    call('setns', namespace, CLONE_NEWNS)  # / is the namespace's root now
    make_private()
    tree = call(SYS_OPEN_TREE, here, b'', AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    call(SYS_MOVE_MOUNT, tree, b'', here, b'', MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
    os.fchdir(tree)
    call(SYS_PIVOT_ROOT, b'.', b'.')
    call('umount2', b'.', MNT_DETACH)
    os.close(namespace)
    os.close(here)
    os.close(tree)


def execute(command):
    """Does not return."""
    directory = os.getcwd()
    call('unshare', CLONE_NEWNS)
    if root_is_a_mount():
        make_private()
    else:
        take_root()
    os.chdir(directory)
    os.execvp(command[0], command)


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(f'usage: {sys.argv[0]} COMMAND...')
    execute(sys.argv[1:])
