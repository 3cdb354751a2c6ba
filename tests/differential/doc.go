// SPDX-License-Identifier: Apache-2.0

// Package differential holds our readers of hardware evidence against
// google/go-sev-guest and google/go-tdx-guest: on the genuine samples of
// tests/vectors and on some thousand copies of them, changed by a fixed seed,
// both must refuse, or both must read the same fields. Where they differ for a
// reason the reason stands in exceptions.go; an exception that no sample needs
// is a failure too.
//
// Our side is the program evidence-dump that meson builds here. EVIDENCE_DUMP
// names it; otherwise the newest one below build/ is taken.
package differential
