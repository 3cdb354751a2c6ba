// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong. As text: KIND, KIND=VALUE, either with *COUNT.
// Which kinds there are is the machine's affair.
type Fault struct {
	Kind  string `json:"kind"`
	Value string `json:"value,omitempty"`
	Count int    `json:"count,omitempty"` // so often; 0: until disarmed
}

// ParseFault reads the text form.
func ParseFault(text string) (Fault, error) {
	var f Fault
	rest := text
	if i := strings.LastIndex(text, "*"); i >= 0 {
		count, err := strconv.Atoi(text[i+1:])
		if err != nil || count < 1 {
			return f, fmt.Errorf("fault '%s': '%s' is not a count", text, text[i+1:])
		}
		rest, f.Count = text[:i], count
	}
	f.Kind, f.Value, _ = strings.Cut(rest, "=")
	return f, nil
}

// Faults are those that are armed.
type Faults struct {
	mu   sync.Mutex
	list []Fault
}

// Add arms one.
func (l *Faults) Add(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

// Clear disarms all.
func (l *Faults) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// All lists what is armed.
func (l *Faults) All() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Fault{}, l.list...)
}

func (l *Faults) takeIf(wanted func(Fault) bool) (value string, armed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.list, wanted)
	if i < 0 {
		return "", false
	}
	value = l.list[i].Value
	if l.list[i].Count > 0 {
		if l.list[i].Count--; l.list[i].Count == 0 {
			l.list = slices.Delete(l.list, i, i+1)
		}
	}
	return value, true
}

// Take uses a fault of this kind once, if one is armed.
func (l *Faults) Take(kind string) (value string, armed bool) {
	return l.takeIf(func(f Fault) bool { return f.Kind == kind })
}

// TakeAll uses every armed fault of this kind once.
func (l *Faults) TakeAll(kind string) (values []string) {
	for {
		value, armed := l.takeIf(func(f Fault) bool { return f.Kind == kind && !slices.Contains(values, f.Value) })
		if !armed {
			return values
		}
		values = append(values, value)
	}
}

// Armed uses a fault that has no value.
func (l *Faults) Armed(kind string) bool {
	_, armed := l.Take(kind)
	return armed
}

// Number uses a fault whose value was checked with IsNumber when it was armed.
func (l *Faults) Number(kind string) (n uint32, armed bool) {
	value, armed := l.Take(kind)
	wide, _ := strconv.ParseUint(value, 0, 32)
	return uint32(wide), armed
}

// Duration uses a fault whose value was checked with IsDuration; 0 where none is armed.
func (l *Faults) Duration(kind string) time.Duration {
	value, _ := l.Take(kind)
	d, _ := time.ParseDuration(value)
	return d
}

// IsEmpty checks the value of a fault that takes none.
func IsEmpty(text string) error {
	if text != "" {
		return fmt.Errorf("it takes no value, not '%s'", text)
	}
	return nil
}

// IsDuration checks a value.
func IsDuration(text string) error {
	_, err := time.ParseDuration(text)
	return err
}

// IsNumber checks a value.
func IsNumber(text string) error {
	_, err := strconv.ParseUint(text, 0, 32)
	return err
}

// CheckFault checks a fault by what a machine's kinds take.
func CheckFault(kinds map[string]func(value string) error, f Fault) error {
	check := kinds[f.Kind]
	if check == nil {
		return fmt.Errorf("there is no fault '%s'", f.Kind)
	}
	if err := check(f.Value); err != nil {
		return fmt.Errorf("fault '%s': %w", f.Kind, err)
	}
	return nil
}
