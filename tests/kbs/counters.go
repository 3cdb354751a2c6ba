// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"encoding/json"
	"maps"
	"sync"
)

// Counters are what a broker has seen since its start or the last reset.
type Counters struct {
	Connections   int            `json:"connections"`    // accepted, those that a fault cut included
	Requests      map[string]int `json:"requests"`       // received by step, faulted ones included
	Auth          int            `json:"auth"`           // challenges given out
	AuthRefused   int            `json:"auth_refused"`   // wrong version, bad request
	Attest        int            `json:"attest"`         // evidence verified
	AttestRefused int            `json:"attest_refused"` // by verification or by a fault
	LastRefusal   string         `json:"last_refusal"`   // cause of the last refused /attest; never on the wire
	Resources     map[string]int `json:"resources"`      // GETs received, by repo/type/tag
	Last          *Attestation   `json:"last_attestation"`
}

// Attestation is what the last verified /attest carried.
type Attestation struct {
	TEE        string          `json:"tee"`
	Evidence   json.RawMessage `json:"evidence"`
	Additional string          `json:"additional_evidence"`
	InitData   *string         `json:"init_data"` // the TOML text, nil if none was sent
	Request    json.RawMessage `json:"-"`         // as it came
}

type counters struct {
	mu sync.Mutex
	c  Counters
}

func newCounters() *counters {
	return &counters{c: Counters{Requests: map[string]int{}, Resources: map[string]int{}}}
}

func (k *counters) add(change func(*Counters)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.c)
}

func (k *counters) connection()  { k.add(func(c *Counters) { c.Connections++ }) }
func (k *counters) auth()        { k.add(func(c *Counters) { c.Auth++ }) }
func (k *counters) authRefused() { k.add(func(c *Counters) { c.AuthRefused++ }) }

func (k *counters) request(step, path string) {
	k.add(func(c *Counters) {
		if step != "" {
			c.Requests[step]++
		}
		if step == stepResource {
			c.Resources[path]++
		}
	})
}

func (k *counters) attestRefused(cause error) {
	k.add(func(c *Counters) {
		c.AttestRefused++
		c.LastRefusal = cause.Error()
	})
}

func (k *counters) attested(tee string, req *attestRequest) {
	last := &Attestation{TEE: tee, Evidence: req.primary, Additional: req.additional, Request: req.whole}
	if req.initData != nil {
		last.InitData = &req.initData.body
	}
	k.add(func(c *Counters) {
		c.Attest++
		c.Last = last
	})
}

// Counters returns a copy of what the broker has seen.
func (s *Server) Counters() Counters {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	c := s.counters.c
	c.Requests = maps.Clone(c.Requests)
	c.Resources = maps.Clone(c.Resources)
	return c
}

// ResetCounters sets everything that Counters returns to nothing.
func (s *Server) ResetCounters() {
	fresh := newCounters()
	s.counters.add(func(c *Counters) { *c = fresh.c })
}
