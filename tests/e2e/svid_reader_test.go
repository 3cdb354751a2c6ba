// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// sightings is what a reader saw that looks as often as it can.
type sightings struct {
	looks   int // two files that were read
	absent  int // one of them was not there
	slow    int // the same, after a look that took longer than a generation lasts
	mixed   int // key and certificate of different generations
	partial int // a file that was empty or cut
	serials map[string]bool
}

func (s *sightings) String() string {
	return fmt.Sprintf("%d looks, %d generations, %d mixed, %d empty or cut, %d absent",
		s.looks, len(s.serials), s.mixed, s.partial, s.absent)
}

// add judges one look.
func (s *sightings) add(cert, key []byte, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.absent++
		return
	case err != nil:
		panic(err)
	}
	s.looks++
	if !isWhole(cert) || !isWhole(key) {
		s.partial++
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		s.mixed++
		return
	}
	s.serials[pair.Leaf.SerialNumber.String()] = true
}

func isWhole(text []byte) bool {
	block, _ := pem.Decode(text)
	return block != nil && len(text) > 0 && text[len(text)-1] == '\n'
}

// lastsAtLeast is how long a generation stays after the next one is there, four of which come a second: who was
// kept from the processor for longer in the middle of a look may find nothing.
const lastsAtLeast = 100 * time.Millisecond

// hammer looks until stop is closed.
func hammer(look func() (cert, key []byte, err error), stop chan struct{}) *sightings {
	s := &sightings{serials: map[string]bool{}}
	for {
		select {
		case <-stop:
			return s
		default:
			began := time.Now()
			cert, key, err := look()
			if errors.Is(err, fs.ErrNotExist) && time.Since(began) > lastsAtLeast {
				s.slow++
				continue
			}
			s.add(cert, key, err)
		}
	}
}

// byPaths opens each file by its own path, as most programs do.
func byPaths(dir string) func() ([]byte, []byte, error) {
	return func() ([]byte, []byte, error) {
		cert, err := os.ReadFile(filepath.Join(dir, "svid.pem"))
		if err != nil {
			return nil, nil, err
		}
		key, err := os.ReadFile(filepath.Join(dir, "svid_key.pem"))
		return cert, key, err
	}
}

// byDirectory opens the generation's directory once.
func byDirectory(dir string) func() ([]byte, []byte, error) {
	return func() ([]byte, []byte, error) {
		fd, err := syscall.Open(filepath.Join(dir, "..data"), syscall.O_DIRECTORY|syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return nil, nil, err
		}
		defer syscall.Close(fd)
		return byPaths(fmt.Sprintf("/proc/self/fd/%d", fd))()
	}
}

// byCombined reads key and certificate from one file.
func byCombined(dir string) func() ([]byte, []byte, error) {
	return func() ([]byte, []byte, error) {
		all, err := os.ReadFile(filepath.Join(dir, "all.pem"))
		return all, all, err
	}
}

// hammerAll runs readers side by side until the duration is over.
func hammerAll(d time.Duration, looks map[string]func() ([]byte, []byte, error)) map[string]*sightings {
	stop := make(chan struct{})
	found := map[string]*sightings{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, look := range looks {
		all.Add(1)
		go func() {
			defer all.Done()
			s := hammer(look, stop)
			mu.Lock()
			found[name] = s
			mu.Unlock()
		}()
	}
	time.Sleep(d)
	close(stop)
	all.Wait()
	return found
}

// TestSVIDReaderSeesOneGeneration: sealpod and the real spiffe-helper serve from
// one agent at once, four generations a second, while readers look as fast as they
// can. It also says what each reader saw.
func TestSVIDReaderSeesOneGeneration(t *testing.T) {
	// Alone: the readers take all of the machine.
	duration := 3 * time.Second
	if lab.Long {
		duration = 60 * time.Second
	}
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/read", uid: 0, ttl: quickTTL})
	helperDir, filesDir := svidDir(t, lab.Mem), svidDir(t, lab.Mem)
	p := l.deliver("--combined-file", "all.pem")
	files := lab.Start(t, 0, l.dir, append(svidCommand(), "--socket", l.socket, "--directory", filesDir, "--replace", "files", "--combined-file", "all.pem")...)
	helper := l.startHelper(helperDir, "daemon_mode = true")
	waitEvent(t, p, "delivered", 2, 20*time.Second)
	waitEvent(t, files, "delivered", 2, 20*time.Second)
	lab.Eventually(t, 20*time.Second, "spiffe-helper's files", func() (bool, string) {
		_, err := os.Stat(filepath.Join(helperDir, "svid_bundle.pem"))
		return err == nil, helper.Stderr.String()
	})
	found := hammerAll(duration, map[string]func() ([]byte, []byte, error){
		"sealpod, directory opened once":  byDirectory(l.certs),
		"sealpod, combined file":          byCombined(l.certs),
		"sealpod, two paths":              byPaths(l.certs),
		"sealpod, plain files, combined":  byCombined(filesDir),
		"sealpod, plain files, two paths": byPaths(filesDir),
		"spiffe-helper 0.11.0, two paths": byPaths(helperDir),
	})
	for name, s := range found {
		t.Logf("%-33s %s", name+":", s)
		if len(s.serials) < 4 && !lab.Wrapped() {
			t.Errorf("%s: only %d generations came by", name, len(s.serials))
		}
	}
	for _, name := range []string{"sealpod, directory opened once", "sealpod, combined file", "sealpod, plain files, combined"} {
		if s := found[name]; s.mixed+s.partial+s.absent != 0 {
			t.Errorf("%s: %s", name, s)
		}
	}
	for _, name := range []string{"sealpod, two paths", "sealpod, plain files, two paths"} {
		if s := found[name]; s.partial+s.absent != 0 {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// TestSVIDBesideSpiffeHelper: the same entry and the same agent serve both at
// once; what they write verifies the same.
func TestSVIDBesideSpiffeHelper(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/both", uid: 0})
	helperDir := svidDir(t, lab.Mem)
	p := l.deliver()
	helper := l.startHelper(helperDir, "daemon_mode = true")
	waitEvent(t, p, "delivered", 1, 20*time.Second)
	lab.Eventually(t, 20*time.Second, "spiffe-helper's files", func() (bool, string) {
		text, err := os.ReadFile(filepath.Join(helperDir, "svid_bundle.pem"))
		return err == nil && isWhole(text), helper.Stderr.String()
	})
	for _, dir := range []string{l.certs, helperDir} {
		opensslVerify(t, dir, "svid.pem", "svid_bundle.pem")
		if svid := delivered(t, dir, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/both") {
			t.Errorf("'%s' holds %s", dir, svid.ID)
		}
	}
	// The agent caches one SVID for both, so the files are the same to the byte.
	for _, name := range []string{"svid.pem", "svid_key.pem", "svid_bundle.pem"} {
		ours, err := os.ReadFile(filepath.Join(l.certs, name))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.ReadFile(filepath.Join(helperDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(ours) != string(theirs) {
			t.Errorf("'%s' differs:\n%s\n%s", name, ours, theirs)
		}
	}
}
