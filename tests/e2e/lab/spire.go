// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// TrustDomain is the one that every server here serves.
const TrustDomain = "example.test"

// Server is a running spire-server that trusts one x509pop CA.
type Server struct {
	Port   int
	CA     *Authority
	Bundle []byte // PEM

	process  *Process
	conn     *grpc.ClientConn
	dir      string
	template string // agent_path_template; "": SPIRE's own
}

var servers struct {
	sync.Mutex
	byKind map[string]*Server
}

// SharedServer returns the server with this agent TTL, starting it at first use.
// It runs until the tests end.
func SharedServer(t testing.TB, agentTTL string) *Server {
	t.Helper()
	return sharedServer(t, agentTTL, agentTTL, "")
}

// TemplateServer is the shared server whose agents are named by issuer and instance
// where their certificate says an instance, and by its fingerprint where not.
func TemplateServer(t testing.TB) *Server {
	t.Helper()
	return TemplateServerWithTTL(t, "1h")
}

// TemplateServerWithTTL is the same with another agent TTL.
func TemplateServerWithTTL(t testing.TB, agentTTL string) *Server {
	t.Helper()
	return sharedServer(t, "template-"+agentTTL, agentTTL, InstanceTemplate)
}

// InstanceTemplate is the agent_path_template that deployments are given.
const InstanceTemplate = `/x509pop/{{ if index .URISanSelectors "instance" }}` +
	`{{ .Issuer.CommonName }}/{{ index .URISanSelectors "instance" }}{{ else }}{{ .Fingerprint }}{{ end }}`

func sharedServer(t testing.TB, kind, agentTTL, template string) *Server {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if s := servers.byKind[kind]; s != nil {
		return s
	}
	s := startServer(t, kind, agentTTL, template)
	if servers.byKind == nil {
		servers.byKind = map[string]*Server{}
	}
	servers.byKind[kind] = s
	return s
}

func stopServers() {
	servers.Lock()
	defer servers.Unlock()
	for _, s := range servers.byKind {
		s.conn.Close()
		s.process.Kill()
	}
}

func startServer(t testing.TB, kind, agentTTL, template string) *Server {
	t.Helper()
	dir := filepath.Join(Root, "server-"+kind)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := &Server{CA: NewAuthority(t, "x509pop root", nil), dir: dir, template: template}
	WriteFile(t, filepath.Join(dir, "ca.pem"), s.CA.PEM, 0o644)
	// Somebody else may take a port between finding it free and binding it.
	for try := 1; ; try++ {
		reason := s.run(t, agentTTL)
		if reason == "" {
			return s
		}
		if try == 3 {
			t.Fatalf("spire-server did not start: %s\n%s", reason, s.process)
		}
		s.Port = 0
	}
}

// OwnServer is a server of this test alone, which may be stopped.
func OwnServer(t testing.TB, agentTTL string) *Server {
	t.Helper()
	return ownServer(t, agentTTL, "")
}

// OwnTemplateServer is the same with the names of TemplateServer.
func OwnTemplateServer(t testing.TB, agentTTL string) *Server {
	t.Helper()
	return ownServer(t, agentTTL, InstanceTemplate)
}

func ownServer(t testing.TB, agentTTL, template string) *Server {
	t.Helper()
	s := startServer(t, "of-"+t.Name(), agentTTL, template)
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the server for good or for a while.
func (s *Server) Stop() {
	s.conn.Close()
	s.process.Kill()
}

// StartAnew starts a server that was stopped at the same address, with nothing of
// what it knew: another CA, no entry.
func (s *Server) StartAnew(t testing.TB, agentTTL string) {
	t.Helper()
	data := filepath.Join(s.dir, "data")
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	s.StartAgain(t, agentTTL)
}

// StartAgain starts a server that was stopped at the same address.
func (s *Server) StartAgain(t testing.TB, agentTTL string) {
	t.Helper()
	if reason := s.run(t, agentTTL); reason != "" {
		t.Fatalf("spire-server did not start again: %s\n%s", reason, s.process)
	}
}

// run starts the process and waits until it serves; it returns why not.
func (s *Server) run(t testing.TB, agentTTL string) string {
	t.Helper()
	if s.Port == 0 {
		s.Port = ReservePort(t)
	}
	config := filepath.Join(s.dir, "server.json")
	WriteFile(t, config, s.config(t, agentTTL), 0o644)
	cmd := exec.Command(SpireServer, "run", "-config", config)
	process, err := start(cmd, 0)
	if err != nil {
		return err.Error()
	}
	s.process = process
	s.conn, err = grpc.NewClient("unix:"+filepath.Join(s.dir, "s.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err.Error()
	}
	reason, ok := poll(30*time.Second, func() (bool, string) {
		if !process.Running() {
			return true, ""
		}
		return s.ready()
	})
	if ok && process.Running() {
		return ""
	}
	s.conn.Close()
	process.Kill()
	return "it exits or does not serve: " + reason
}

func (s *Server) ready() (bool, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	text, err := s.readBundle(ctx)
	if err != nil {
		return false, err.Error()
	}
	s.Bundle = text
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
	if err != nil {
		return false, err.Error()
	}
	conn.Close()
	return true, ""
}

// serverConfig keeps its order: SPIRE's parser flattens an object of objects that
// comes first, so "plugins" may not.
type serverConfig struct {
	Server  map[string]any              `json:"server"`
	Plugins map[string][]map[string]any `json:"plugins"`
}

func (s *Server) config(t testing.TB, agentTTL string) []byte {
	t.Helper()
	type object = map[string]any
	data := filepath.Join(s.dir, "data")
	plugin := func(name string, data object) []object { return []object{{name: object{"plugin_data": data}}} }
	attestor := object{"ca_bundle_path": filepath.Join(s.dir, "ca.pem")}
	if s.template != "" {
		attestor["agent_path_template"] = s.template
	}
	text, err := json.MarshalIndent(serverConfig{
		Server: object{
			"bind_address": "127.0.0.1", "bind_port": fmt.Sprint(s.Port), "socket_path": filepath.Join(s.dir, "s.sock"),
			"trust_domain": TrustDomain, "data_dir": data, "log_level": "INFO",
			"ca_ttl": "24h", "default_x509_svid_ttl": "1h", "agent_ttl": agentTTL,
			"ratelimit":    object{"attestation": false},
			"experimental": object{"cache_reload_interval": "250ms"},
		},
		Plugins: map[string][]object{
			"DataStore":    plugin("sql", object{"database_type": "sqlite3", "connection_string": filepath.Join(data, "datastore.sqlite3")}),
			"KeyManager":   plugin("disk", object{"keys_path": filepath.Join(data, "keys.json")}),
			"NodeAttestor": plugin("x509pop", attestor),
		},
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Entry registers a workload: processes of uid on the agent are given the SPIFFE
// ID of that path.
func (s *Server) Entry(t testing.TB, agentID, path string, uid uint32) {
	t.Helper()
	s.register(t, agentID, path, "unix", fmt.Sprintf("uid:%d", uid))
}

// Alias registers a node alias: agents with the selector serve the entries whose
// parent is the SPIFFE ID that it returns.
func (s *Server) Alias(t testing.TB, path, selector string) string {
	t.Helper()
	s.register(t, "/spire/server", path, "x509pop", selector)
	return "spiffe://" + TrustDomain + path
}

func (s *Server) register(t testing.TB, parentID, path, kind, selector string) {
	t.Helper()
	parentPath := strings.TrimPrefix(parentID, "spiffe://"+TrustDomain)
	reply, err := entryv1.NewEntryClient(s.conn).BatchCreateEntry(t.Context(), &entryv1.BatchCreateEntryRequest{
		Entries: []*types.Entry{{
			ParentId:  &types.SPIFFEID{TrustDomain: TrustDomain, Path: parentPath},
			SpiffeId:  &types.SPIFFEID{TrustDomain: TrustDomain, Path: path},
			Selectors: []*types.Selector{{Type: kind, Value: selector}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if status := reply.Results[0].Status; status.Code != int32(codes.OK) {
		t.Fatalf("create entry %s: %s", path, status.Message)
	}
}

// AgentSerial is the serial number of the SVID that the server issued last to
// the agent, or "" if it knows no such agent. Each attestation issues a new one.
func (s *Server) AgentSerial(agentID string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	agent, err := agentv1.NewAgentClient(s.conn).GetAgent(ctx, &agentv1.GetAgentRequest{
		Id: &types.SPIFFEID{TrustDomain: TrustDomain, Path: strings.TrimPrefix(agentID, "spiffe://"+TrustDomain)},
	})
	if err != nil {
		return ""
	}
	return agent.X509SvidSerialNumber
}

// Agents are the IDs of all agents that attested, each with its selectors.
func (s *Server) Agents(t testing.TB) map[string][]string {
	t.Helper()
	reply, err := agentv1.NewAgentClient(s.conn).ListAgents(t.Context(), &agentv1.ListAgentsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, agent := range reply.Agents {
		selectors := []string{}
		for _, selector := range agent.Selectors {
			selectors = append(selectors, selector.Type+":"+selector.Value)
		}
		found["spiffe://"+agent.Id.TrustDomain+agent.Id.Path] = selectors
	}
	return found
}

// Log is what the server wrote so far.
func (s *Server) Log() string { return s.process.Stderr.String() + s.process.Stdout.String() }

// WriteFile writes a file with exactly this mode.
func WriteFile(t testing.TB, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
