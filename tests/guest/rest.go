// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	restVersion = "v0.21.0"
	restTimeout = 50 * time.Second
	restFailed  = "ttrpc request error"
)

// restServer is api-server-rest: the hub and the agent for whoever reaches the address.
type restServer struct {
	features string // resource, attestation or all
	agent    *ttrpc.Client
	hub      *ttrpc.Client
	tee      string
}

func (s *restServer) has(feature string) bool { return s.features == "all" || s.features == feature }

func say(w http.ResponseWriter, code int, text string) {
	w.WriteHeader(code)
	w.Write([]byte(text))
}

func octets(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(data)
}

func (s *restServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		say(w, http.StatusForbidden, "Forbidden")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), restTimeout)
	defer cancel()
	// not percent-decoded, as by the real one
	path := r.URL.EscapedPath()
	switch {
	case path == "/info":
		s.info(w, r)
	case path == "/aa" || strings.HasPrefix(path, "/aa/"):
		s.attestation(ctx, w, r, strings.TrimPrefix(path, "/aa"))
	case path == "/cdh" || strings.HasPrefix(path, "/cdh/"):
		s.resource(ctx, w, strings.TrimPrefix(path, "/cdh"))
	default:
		say(w, http.StatusNotFound, "URL NOT FOUND")
	}
}

func (s *restServer) info(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		say(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	info := map[string]string{"version": restVersion, "feature": s.features}
	if s.has("attestation") {
		info["tee"] = s.tee
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(info)
}

// resource takes any method, and drops the query.
func (s *restServer) resource(ctx context.Context, w http.ResponseWriter, path string) {
	if !s.has("resource") {
		say(w, http.StatusNotFound, "Resource Feature Not Enabled")
		return
	}
	name, found := strings.CutPrefix(path, "/resource/")
	if !found {
		say(w, http.StatusNotFound, "URL NOT FOUND")
		return
	}
	var answer wrapperspb.BytesValue
	if err := s.hub.Call(ctx, resourceService, "GetResource", wrapperspb.String("kbs:///"+name), &answer); err != nil {
		say(w, http.StatusInternalServerError, restFailed)
		return
	}
	octets(w, answer.Value)
}

func (s *restServer) attestation(ctx context.Context, w http.ResponseWriter, r *http.Request, path string) {
	if !s.has("attestation") {
		say(w, http.StatusNotFound, "Attestation Feature Not Enabled")
		return
	}
	query := r.URL.Query()
	switch {
	case path == "/token" && r.Method == http.MethodGet:
		s.relay(ctx, w, "GetToken", query.Has("token_type"), wrapperspb.String(query.Get("token_type")))
	case path == "/evidence" && r.Method == http.MethodGet:
		data, ok := runtimeData(query.Get("runtime_data"), query.Get("encoding"))
		s.relay(ctx, w, "GetEvidence", ok && query.Has("runtime_data"), wrapperspb.Bytes(data))
	default:
		say(w, http.StatusNotFound, "URL NOT FOUND")
	}
}

func runtimeData(text, encoding string) ([]byte, bool) {
	switch encoding {
	case "":
		return []byte(text), true
	case "base64":
		data, err := base64.RawURLEncoding.DecodeString(text)
		return data, err == nil
	}
	return nil, false
}

func (s *restServer) relay(ctx context.Context, w http.ResponseWriter, method string, good bool, request any) {
	if !good {
		say(w, http.StatusBadRequest, "BAD REQUEST")
		return
	}
	var answer wrapperspb.BytesValue
	if err := s.agent.Call(ctx, agentService, method, request, &answer); err != nil {
		say(w, http.StatusInternalServerError, restFailed)
		return
	}
	octets(w, answer.Value)
}
