// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"encoding/pem"
	"testing"

	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	localauthorityv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/localauthority/v1"
)

// What `spire-server localauthority x509` does, on a server that runs. Authorities have the
// hexadecimal of their subject key as their names.

// PrepareAuthority makes the server publish another CA, which it does not sign with yet.
func (s *Server) PrepareAuthority(t testing.TB) string {
	t.Helper()
	reply, err := localauthorityv1.NewLocalAuthorityClient(s.conn).PrepareX509Authority(t.Context(), &localauthorityv1.PrepareX509AuthorityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return reply.PreparedAuthority.AuthorityId
}

// ActivateAuthority makes the server sign with the CA that was prepared.
func (s *Server) ActivateAuthority(t testing.TB, id string) {
	t.Helper()
	_, err := localauthorityv1.NewLocalAuthorityClient(s.conn).ActivateX509Authority(t.Context(), &localauthorityv1.ActivateX509AuthorityRequest{AuthorityId: id})
	if err != nil {
		t.Fatal(err)
	}
}

// RetireAuthority taints the CA that was active before, so that agents replace what it signed.
func (s *Server) RetireAuthority(t testing.TB) string {
	t.Helper()
	client := localauthorityv1.NewLocalAuthorityClient(s.conn)
	state, err := client.GetX509AuthorityState(t.Context(), &localauthorityv1.GetX509AuthorityStateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	id := state.Old.AuthorityId
	if _, err := client.TaintX509Authority(t.Context(), &localauthorityv1.TaintX509AuthorityRequest{AuthorityId: id}); err != nil {
		t.Fatal(err)
	}
	return id
}

// RevokeAuthority takes a tainted CA out of the bundle.
func (s *Server) RevokeAuthority(t testing.TB, id string) {
	t.Helper()
	_, err := localauthorityv1.NewLocalAuthorityClient(s.conn).RevokeX509Authority(t.Context(), &localauthorityv1.RevokeX509AuthorityRequest{AuthorityId: id})
	if err != nil {
		t.Fatal(err)
	}
}

// CurrentBundle are the server's CAs now, in PEM.
func (s *Server) CurrentBundle(t testing.TB) []byte {
	t.Helper()
	text, err := s.readBundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *Server) readBundle(ctx context.Context) ([]byte, error) {
	bundle, err := bundlev1.NewBundleClient(s.conn).GetBundle(ctx, &bundlev1.GetBundleRequest{})
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, ca := range bundle.X509Authorities {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Asn1}); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}
