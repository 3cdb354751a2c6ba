// SPDX-License-Identifier: Apache-2.0

// Package forge makes what confidential hardware would make: SEV-SNP reports,
// certificate tables, TDX quotes, TDREPORTs and event logs, signed by roots that
// are thrown away. Nothing here is evidence of anything; a verifier that trusts
// these roots is a test.
//
// Every field can be set to any value, legal or not, before the signature is made.
package forge
