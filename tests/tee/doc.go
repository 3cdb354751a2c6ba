// SPDX-License-Identifier: Apache-2.0

// Package tee emulates confidential hardware at the kernel's boundary, for tests:
// configfs-tsm, /dev/sev-guest and /dev/tdx_guest by FUSE, and the files of sysfs
// and ACPI beside them, at their real paths in a mount namespace of its own. The
// program under test runs inside, unchanged. All that it is given is signed by
// throw-away roots (package forge) and is evidence of nothing.
//
// The emulation is of the kernel's interface, not of the hardware: its rules are
// those of Linux 6.7 and later. Where FUSE cannot do what the kernel does, the
// README says so.
package tee
