// SPDX-License-Identifier: Apache-2.0

// Package lab is the ground that the end-to-end tests stand on: the real SPIRE
// server and agent, a key broker, certificates, the program under test and what
// can be seen of its processes from outside.
//
// Everything talks over loopback and unix sockets. Main gives the test binary a
// PID and mount namespace of its own, so that whatever happens to it nothing
// that it started survives, and files that must be on a tmpfs are on one that
// goes away with the namespace.
package lab
