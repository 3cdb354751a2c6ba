// SPDX-License-Identifier: Apache-2.0

// Package azure emulates an Azure confidential VM for tests: a vTPM at /dev/tpmrm0
// whose host plays the paravisor, and the instance metadata service at its real
// address, 169.254.169.254:80. Both exist only in a mount and a network namespace of
// the test's own; nothing here ever talks to that address elsewhere, and the package
// refuses to run in the machine's own network namespace.
//
// The TPM is swtpm. It serves one connection, so the paravisor is an interposer: a
// FUSE file passes commands on, sees that report data were written, and between
// two commands makes a new HCL report, signed by a throw-away root (package forge).
// All that comes out of it is evidence of nothing.
package azure
