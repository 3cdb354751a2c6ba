// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

const (
	sessionCookie   = "kbs-session-id"
	sessionLifetime = 5 * time.Minute // from /auth on; /attest does not extend it
)

// session is one handshake. Fields but token never change; the store guards token.
type session struct {
	id      string
	tee     string
	nonce   string
	expires time.Time
	token   string // empty until attested
}

func (s session) cookie() string {
	return sessionCookie + "=" + s.id + "; Expires=" + s.expires.UTC().Format(http.TimeFormat)
}

type sessionStore struct {
	mu   sync.Mutex
	byID map[string]session
}

func newSessionStore() *sessionStore { return &sessionStore{byID: map[string]session{}} }

func (st *sessionStore) create(tee, nonce string, now time.Time) session {
	// The real broker's ids are version 4 UUIDs without hyphens.
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	s := session{id: hex.EncodeToString(id[:]), tee: tee, nonce: nonce, expires: now.Add(sessionLifetime)}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.byID[s.id] = s
	return s
}

// live returns a session that exists and has not expired.
func (st *sessionStore) live(id string, now time.Time) (session, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	s, found := st.byID[id]
	return s, found && now.Before(s.expires)
}

// attested stores the session's one token; of two racing calls the first wins.
func (st *sessionStore) attested(id, token string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	s, found := st.byID[id]
	if !found {
		return token
	}
	if s.token == "" {
		s.token = token
		st.byID[id] = s
	}
	return s.token
}

func (st *sessionStore) forget(id string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.byID, id)
}

func (st *sessionStore) forgetAll() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.byID = map[string]session{}
}
