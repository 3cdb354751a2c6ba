// SPDX-License-Identifier: Apache-2.0

// Package e2e runs the real programs against each other: sealpod, a key broker,
// spire-server and spire-agent, on loopback.
//
//	SEALPOD          test build of sealpod (-Dsample_attester=true)
//	SEALPOD_RELEASE  release build, which has no sample attester
//	SEALPODCTL       sealpodctl; where nobody says, that beside SEALPOD's build
//	SPIRE_SERVER     spire-server
//	SPIRE_AGENT      spire-agent
//	SEALPOD_LONG=1   the long forms too
//	SEALPOD_PREFIX   words before the command line of those builds, e.g. valgrind
//
// Run it as root with: go test -count=1 ./...
package e2e

import (
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

func TestMain(m *testing.M) {
	teeMachine.play()
	azureMachine.play()
	playContainer()
	budget := 600 * time.Second
	if lab.Long {
		budget = 1500 * time.Second
	}
	lab.Main(m, budget)
}
