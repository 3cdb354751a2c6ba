// SPDX-License-Identifier: Apache-2.0

// Package guest is the Confidential Containers software of a guest, for tests:
// the attestation agent and the confidential data hub on unix sockets (ttrpc, over
// containerd's implementation), and api-server-rest on a loopback address. They do
// the work for real: the agent attests to a KBS over RCAR with a new key a token, the
// hub fetches by tokens of the agent and unseals, the server asks both. Their
// answers, their texts and what they hide are those of the real components.
//
// What they are not: the TEE is the one that Options.Evidence plays, by default
// "sample", which proves nothing. Unknown services and methods are answered by
// containerd's library (status 12 for both), not as by the Rust one (3 and 12). Image
// pulling, mounts, key providers and run-time measurements are left out.
package guest
