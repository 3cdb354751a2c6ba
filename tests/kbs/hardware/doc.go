// SPDX-License-Identifier: Apache-2.0

// Package hardware has the test broker's verifiers of the evidence of SEV-SNP, TDX,
// Azure's vTPM with either, and plain TPMs. They take the evidence as the real broker's clients send it, check what the real
// verifiers check, and name the claims as those do. What they trust is a directory
// of throw-away roots (tests/tee), never AMD or Intel.
//
// go-sev-guest and go-tdx-guest must accept what they can read, and decide whether it is
// bound to the report data and the init-data. What is beyond them stands in
// beyondGoSEVGuest and beyondGoTDXGuest, each with its reason; for all evidence the
// signatures are checked here as well, with Go's own cryptography, and for those the
// binding too.
//
// It is a package of its own so that users of the broker who need no hardware
// evidence do not depend on those libraries.
package hardware
