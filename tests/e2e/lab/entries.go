// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
)

// API is the server's unix socket, as an address.
func (s *Server) API() string { return "unix://" + filepath.Join(s.dir, "s.sock") }

// Entries are all registration entries, by id.
func (s *Server) Entries(t testing.TB) map[string]*types.Entry {
	t.Helper()
	reply, err := entryv1.NewEntryClient(s.conn).ListEntries(t.Context(), &entryv1.ListEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*types.Entry{}
	for _, entry := range reply.Entries {
		found[entry.Id] = entry
	}
	return found
}

// CreateEntry registers an entry as it is and returns its id.
func (s *Server) CreateEntry(t testing.TB, entry *types.Entry) string {
	t.Helper()
	reply, err := entryv1.NewEntryClient(s.conn).BatchCreateEntry(t.Context(), &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{entry}})
	if err != nil {
		t.Fatal(err)
	}
	if status := reply.Results[0].Status; status.Code != int32(codes.OK) {
		t.Fatalf("create entry: %s", status.Message)
	}
	return reply.Results[0].Entry.Id
}

// ID is a SPIFFE ID of the lab's trust domain.
func ID(path string) *types.SPIFFEID { return &types.SPIFFEID{TrustDomain: TrustDomain, Path: path} }

// CLI runs spire-server's own command line against the server.
func (s *Server) CLI(t testing.TB, stdin string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), SpireServer, append(argv, "-socketPath", filepath.Join(s.dir, "s.sock"))...)
	cmd.Stdin = strings.NewReader(stdin)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("spire-server %v: %v\n%s", argv, err, output)
	}
	return string(output)
}

// Dir is where the server's files are: ca.pem is the bundle of its x509pop plugin.
func (s *Server) Dir() string { return s.dir }

// Trust makes the server trust these CAs, which takes a restart.
func (s *Server) Trust(t testing.TB, bundle []byte, agentTTL string) {
	t.Helper()
	s.Stop()
	WriteFile(t, filepath.Join(s.dir, "ca.pem"), bundle, 0o644)
	s.StartAgain(t, agentTTL)
}
