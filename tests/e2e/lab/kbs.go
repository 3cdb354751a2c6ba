// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"sealpod.test/kbs"
)

// AllowSample is a resource policy that releases resources to the sample TEE.
const AllowSample = `package policy
import rego.v1
default allow := false
allow if data.plugin == "resource"
`

// DenyAll is a resource policy that releases nothing.
const DenyAll = `package policy
import rego.v1
default allow := false
`

// Where the fixtures put their resources.
const (
	PathKey         = "default/x509pop/key"
	PathCertificate = "default/x509pop/certificate"
	PathCombined    = "default/x509pop/agent"
	PathBundle      = "default/spire/bundle"
)

// StartKBS starts a broker with TLS that holds these resources and releases them
// to the sample TEE.
func StartKBS(t testing.TB, resources map[string][]byte, change func(*kbs.Options)) *kbs.Server {
	t.Helper()
	options := kbs.Options{
		Listen: fmt.Sprintf("127.0.0.1:%d", ReservePort(t)), // its own while it is closed, too
		TLS:    true, Resources: resources, ResourcePolicy: AllowSample,
	}
	if change != nil {
		change(&options)
	}
	server, err := kbs.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// AddFault arms a fault.
func AddFault(t testing.TB, server *kbs.Server, faults ...kbs.Fault) {
	t.Helper()
	for _, fault := range faults {
		if err := server.AddFault(fault); err != nil {
			t.Fatal(err)
		}
	}
}

// Handshakes is how many attestations the broker has seen, verified or not.
func Handshakes(c kbs.Counters) int { return c.Requests["attest"] }

// Gets is how many resources were asked for.
func Gets(c kbs.Counters) int { return c.Requests["resource"] }

// Trap is an HTTP server that nobody should talk to; it counts who does.
type Trap struct {
	URL         string
	connections atomic.Int64
}

// NewTrap starts a trap.
func NewTrap(t testing.TB) *Trap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trap := &Trap{URL: "http://" + listener.Addr().String()}
	server := &http.Server{
		Handler: http.NotFoundHandler(),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				trap.connections.Add(1)
			}
		},
	}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	t.Cleanup(func() { server.Close() })
	return trap
}

// Connections is how many came.
func (trap *Trap) Connections() int64 { return trap.connections.Load() }
