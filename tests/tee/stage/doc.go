// SPDX-License-Identifier: Apache-2.0

// Package stage is what the emulated machines share: a program that executes itself
// again in namespaces of its own and there runs a command; faults that are armed;
// and the port at which a test arms them and reads counters.
package stage
