// SPDX-License-Identifier: Apache-2.0

// Package kbs is a small key broker service for tests and for the demo. It
// speaks the RCAR protocol 0.4.0 of Confidential Containers Trustee, answers
// with the real broker's status codes, problem types and texts, and breaks on
// demand in ways in which the real one cannot be made to break.
//
// It is a test tool. Every key in it is made at start and thrown away, resources
// live in memory, and it refuses to listen anywhere but on loopback. The only
// verifier that comes with the package, "sample", proves nothing: it compares
// the report data and believes the rest.
//
// Where the real broker reads its peers' certificates or key sets, this one
// knows only its own token key: a token that another service signed is refused.
// Of the admin configuration it has the mode "AuthenticatedAuthorization" with
// one Ed25519 key; of the plugins, "resource"; of the reference value formats,
// "sample". It has no endpoint that the real broker lacks: everything that only
// tests need (faults, counters, resources without a token) is on a second
// listener, the control port, and in the methods of Server.
package kbs
