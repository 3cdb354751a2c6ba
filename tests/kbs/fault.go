// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is one misbehaviour. It applies to the requests of Step (to all where it
// is empty) and, for resources, of Path; to the next Count of them, or until
// cleared where Count is 0. Several faults may meet in one request: the one that
// was added last sees the others' answer.
//
// Kinds, and the fields that they read:
//
//	delay                  answer only after DelayMS
//	silent                 take the request and never answer
//	cut                    close the connection in the middle of the body
//	garbage                200 and bytes that are no JSON
//	oversized              200 and a JSON string of Bytes bytes (default 64 MiB), without Content-Length
//	status                 Status (500 if 0), empty body
//	redirect               307, or Status, to Location
//	problem                Status (401 if 0), Type and Detail in a problem document
//	plugin-internal-error  what a missing resource or broken storage gives
//	attest-refused         what refused evidence gives; counted as such
//	version                /auth takes only Version
//	session-lost           the session is forgotten first: TokenNotFound, unless a bearer token is sent
//	token-expired          the token is judged as after its end: TokenVerifierError
//	truncated              the body ends in the middle, with the Content-Length of what is left
//	duplicate-keys         the first member of the answer appears twice, the wrong value first
//	date-offset            the Date header is Seconds away from the clock
//	jwe-short-ciphertext   the ciphertext lost its second half
//	jwe-tag                one bit of the tag is flipped
//	jwe-short-tag          the tag has 12 bytes of its 16
//	jwe-alg                encrypted with another algorithm than asked for
//	jwe-curve              encrypted to a key on P-384
//
// Step "connect" takes delay, silent (accept and never speak, not even TLS) and cut.
type Fault struct {
	Kind     string `json:"kind"`
	Step     string `json:"step,omitempty"` // connect, auth, attest, resource, admin
	Path     string `json:"path,omitempty"` // repo/type/tag, for step resource
	Count    int    `json:"count,omitempty"`
	DelayMS  int    `json:"delay_ms,omitempty"`
	Status   int    `json:"status,omitempty"`
	Bytes    int64  `json:"bytes,omitempty"`
	Version  string `json:"version,omitempty"`
	Type     string `json:"type,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Location string `json:"location,omitempty"`
	Seconds  int    `json:"seconds,omitempty"`
}

func (f Fault) delay() time.Duration { return time.Duration(f.DelayMS) * time.Millisecond }

func (f Fault) check() error {
	if _, known := faultKinds[f.Kind]; !known {
		return fmt.Errorf("fault kind '%s' is none of: %s", f.Kind, strings.Join(slices.Sorted(maps.Keys(faultKinds)), ", "))
	}
	switch f.Step {
	case stepConnect:
		if f.Kind != "delay" && f.Kind != "silent" && f.Kind != "cut" {
			return fmt.Errorf("fault '%s' does not go with step connect: only delay, silent and cut do", f.Kind)
		}
	case "", stepAuth, stepAttest, stepResource, stepAdmin:
	default:
		return fmt.Errorf("fault step '%s' is none of: connect, auth, attest, resource, admin", f.Step)
	}
	if f.Path != "" && f.Step != stepResource {
		return fmt.Errorf("a fault with a path needs the step resource, not '%s'", f.Step)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("fault status %d is not from 200 to 599", f.Status)
	}
	if f.Count < 0 || f.DelayMS < 0 || f.Bytes < 0 {
		return fmt.Errorf("count, delay_ms and bytes of a fault cannot be negative")
	}
	return f.checkNeeded()
}

// checkNeeded refuses a fault that would do nothing for want of its parameter.
func (f Fault) checkNeeded() error {
	missing := map[string]bool{
		"delay_ms": f.Kind == "delay" && f.DelayMS == 0,
		"version":  f.Kind == "version" && f.Version == "",
		"location": f.Kind == "redirect" && f.Location == "",
		"type":     f.Kind == "problem" && f.Type == "",
		"seconds":  f.Kind == "date-offset" && f.Seconds == 0,
	}
	for name, isMissing := range missing {
		if isMissing {
			return fmt.Errorf("fault '%s' needs '%s'", f.Kind, name)
		}
	}
	return nil
}

func (f Fault) matches(step, path string) bool {
	if f.Step == stepConnect || step == stepConnect {
		return f.Step == step
	}
	return (f.Step == "" || f.Step == step) && (f.Path == "" || f.Path == path)
}

type faultList struct {
	mu     sync.Mutex
	faults []Fault
}

// take returns the faults that apply to a request and uses up one of each one's count.
func (l *faultList) take(step, path string) []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken, left []Fault
	for _, f := range l.faults {
		if f.matches(step, path) {
			taken = append(taken, f)
			if f.Count == 1 {
				continue
			}
			if f.Count > 1 {
				f.Count--
			}
		}
		left = append(left, f)
	}
	l.faults = left
	return taken
}

// AddFault arms a fault.
func (s *Server) AddFault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = append(s.faults.faults, f)
	return nil
}

// Faults returns the faults that are armed, with what is left of their counts.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.faults)
}

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = nil
}
