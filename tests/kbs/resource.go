// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

var pathSegment = regexp.MustCompile(`^[A-Za-z0-9_-]+[A-Za-z0-9_.-]*$`)

// checkSegments takes exactly repo, type and tag. It looks at decoded segments, not
// at a joined path: "repo/type%2Ftag" has two.
func checkSegments(segments []string) error {
	if len(segments) != 3 {
		return fmt.Errorf("resource path '%s' is not repo/type/tag", strings.Join(segments, "/"))
	}
	for _, segment := range segments {
		if !pathSegment.MatchString(segment) {
			return fmt.Errorf("resource path has the bad segment '%s'", segment)
		}
	}
	return nil
}

type resourceStore struct {
	mu     sync.Mutex
	byPath map[string][]byte
}

func newResourceStore(dir string, given map[string][]byte) (*resourceStore, error) {
	st := &resourceStore{byPath: map[string][]byte{}}
	if dir != "" {
		if err := st.loadDir(dir); err != nil {
			return nil, fmt.Errorf("read resource directory '%s': %w", dir, err)
		}
	}
	for p, content := range given {
		if err := st.set(p, content); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func (st *resourceStore) loadDir(dir string) error {
	root := os.DirFS(dir)
	return fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		return st.set(p, content)
	})
}

func (st *resourceStore) set(p string, content []byte) error {
	if err := checkSegments(strings.Split(p, "/")); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.byPath[p] = slices.Clone(content)
	return nil
}

func (st *resourceStore) get(p string) ([]byte, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	content, found := st.byPath[p]
	if !found {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

func (st *resourceStore) remove(p string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, found := st.byPath[p]; !found {
		return fs.ErrNotExist
	}
	delete(st.byPath, p)
	return nil
}

// SetResource stores or replaces a resource; p is repo/type/tag.
func (s *Server) SetResource(p string, content []byte) error { return s.resources.set(p, content) }

// DeleteResource removes a resource.
func (s *Server) DeleteResource(p string) error {
	if err := s.resources.remove(p); err != nil {
		return fmt.Errorf("no resource '%s'", p)
	}
	return nil
}

// resource is the plugin "resource". POST and DELETE are the administrators';
// every other method wants an attestation token, and only GET then does anything.
func (s *Server) resource(c *call) response {
	switch c.method {
	case http.MethodPost, http.MethodDelete:
		if err := s.checkAdmin(c); err != nil {
			return problem(adminAuthInitialization, "failed to initialize [admin] configuration: "+err.Error())
		}
		if err := s.changeResource(c); err != nil {
			return internalPluginError()
		}
		return ok("text/xml", nil)
	}
	return s.release(c)
}

func (s *Server) changeResource(c *call) error {
	if err := checkSegments(c.segments); err != nil {
		return err
	}
	if c.method == http.MethodDelete {
		return s.resources.remove(c.resourcePath())
	}
	return s.resources.set(c.resourcePath(), c.body)
}

// release checks in the real broker's order: token, policy, path, key.
func (s *Server) release(c *call) response {
	token, found := s.tokenFor(c)
	if !found {
		return problem(tokenNotFound, "Attestation Token not found")
	}
	claims, err := s.tokens.verify(token, s.now().Add(c.tokenAge))
	if err != nil {
		return problem(tokenVerifierError, "Token Verifier error")
	}
	allowed, err := s.policies.allows(claims, c)
	if err != nil {
		return problem(policyEngineError, "Policy engine error: "+err.Error())
	}
	if !allowed {
		return problem(policyDeny, "Access denied by policy")
	}
	content, err := s.readResource(c)
	if err != nil {
		return internalPluginError()
	}
	key, err := teeKeyOf(claims)
	if err != nil {
		return problem(tokenVerifierError, "Token Verifier error")
	}
	jwe, err := encrypt(key, content, c.jwe)
	if err != nil {
		return problem(jweError, "JWE failed")
	}
	return ok("application/json", jwe)
}

func (s *Server) readResource(c *call) ([]byte, error) {
	if c.method != http.MethodGet {
		return nil, errors.New("illegal method")
	}
	if err := checkSegments(c.segments); err != nil {
		return nil, err
	}
	return s.resources.get(c.resourcePath())
}

// tokenFor prefers a live, attested session; whatever is wrong with the cookie,
// the bearer token is tried next.
func (s *Server) tokenFor(c *call) (string, bool) {
	if session, found := s.sessions.live(c.cookie, s.now()); found && session.token != "" {
		return session.token, true
	}
	return bearer(c.header)
}

// bearer takes the scheme in this very spelling only, as the real broker does.
func bearer(h http.Header) (string, bool) {
	token, found := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	return token, found && token != ""
}

// ageOfExpiry moves the token clock far enough to make any token too old.
const ageOfExpiry = tokenLifetime + tokenLeeway + time.Second
