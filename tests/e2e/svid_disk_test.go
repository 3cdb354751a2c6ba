// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"sealpod.test/e2e/lab"
)

// slowDisk is a directory on a disk, seen through FUSE, whose synchronisation takes
// until it is let go.
type slowDisk struct {
	dir     string
	mu      sync.Mutex
	gate    chan struct{} // closed: nothing is held up
	waiting atomic.Int64
}

// slowNode is a file or directory on it.
type slowNode struct {
	fs.LoopbackNode
	disk *slowDisk
}

func (n *slowNode) Fsync(ctx context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	n.disk.mu.Lock()
	gate := n.disk.gate
	n.disk.mu.Unlock()
	n.disk.waiting.Add(1)
	defer n.disk.waiting.Add(-1)
	select {
	case <-gate:
		return 0
	case <-ctx.Done(): // the caller is being killed
		return syscall.EINTR
	}
}

func newSlowDisk(t *testing.T) *slowDisk {
	t.Helper()
	d := &slowDisk{dir: lab.DiskDir(t), gate: make(chan struct{})}
	close(d.gate)
	root := &fs.LoopbackRoot{Path: lab.DiskDir(t)}
	root.NewNode = func(_ *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return &slowNode{LoopbackNode: fs.LoopbackNode{RootData: root}, disk: d}
	}
	server, err := fs.Mount(d.dir, root.NewNode(root, nil, "", nil), &fs.Options{
		MountOptions: fuse.MountOptions{AllowOther: true, DirectMountStrict: true, FsName: "slow", Name: "slow"},
	})
	if err != nil {
		t.Fatalf("mount a file system by FUSE: %v", err)
	}
	t.Cleanup(func() {
		d.letGo()
		syscall.Unmount(d.dir, syscall.MNT_DETACH)
		server.Wait()
	})
	return d
}

// holdUp makes each synchronisation from now on wait.
func (d *slowDisk) holdUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = make(chan struct{})
}

// letGo ends that.
func (d *slowDisk) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.gate:
	default:
		close(d.gate)
	}
}

func (d *slowDisk) awaitWriter(t *testing.T, p *lab.Process) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, "somebody who waits for the disk", func() (bool, string) {
		return d.waiting.Load() > 0, p.String()
	})
}

// TestSVIDSlowDisk: while a synchronisation takes as long as it likes, signals are
// passed on and obeyed; what was delivered before stays whole.
func TestSVIDSlowDisk(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/slow", uid: 0, ttl: quickTTL})
	for _, replace := range []string{"directory", "files"} {
		t.Run(replace, func(t *testing.T) {
			disk := newSlowDisk(t)
			program := l.program("program-"+replace, onHUP)
			p := lab.Start(t, 0, l.dir, append(svidCommand(), "--socket", l.socket, "--directory", disk.dir, "--allow-disk",
				"--replace", replace, "--", program)...)
			waitEvent(t, p, "delivered", 2, 30*time.Second)
			waitLines(t, program+".out", 1, 10*time.Second)
			disk.holdUp()
			disk.awaitWriter(t, p)
			n := countEvents(t, p, "delivered")
			p.Signal(syscall.SIGHUP)
			waitLines(t, program+".out", 2, 5*time.Second)
			delivered(t, disk.dir, "svid.pem", "svid_key.pem", "svid_bundle.pem")
			if got := countEvents(t, p, "delivered"); got != n {
				t.Errorf("%d deliveries were reported while the disk stood still", got-n)
			}
			disk.letGo()
			waitEvent(t, p, "delivered", n+2, 20*time.Second)
			disk.holdUp()
			disk.awaitWriter(t, p)
			begin := time.Now()
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 10*time.Second)
			if took := time.Since(begin); p.Status() != 7 || (took > 2*time.Second && !lab.Wrapped()) {
				t.Errorf("status %d after %v, want the program's 7 at once\n%s", p.Status(), took, p)
			}
			disk.letGo()
			delivered(t, disk.dir, "svid.pem", "svid_key.pem", "svid_bundle.pem")
			// The next run takes away what the last one had begun.
			again := lab.Start(t, 0, l.dir, append(svidCommand(), "--socket", l.socket, "--directory", disk.dir, "--allow-disk", "--replace", replace, "--once")...)
			again.Wait(t, 30*time.Second)
			if n := generations(t, disk.dir); again.Status() != 0 || n > 2 {
				t.Errorf("status %d, %d generations\n%s", again.Status(), n, again)
			}
		})
	}
}

// TestSVIDSlowDiskEnds: nothing waits for the disk when it is time to end.
func TestSVIDSlowDiskEnds(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/slow-end", uid: 0})
	for _, c := range []struct {
		name   string
		args   []string
		signal syscall.Signal // 0: none
		status int
	}{
		{"daemon", nil, syscall.SIGTERM, 0},
		{"once", []string{"--once"}, syscall.SIGTERM, 143},
		{"wrapper", []string{"--", "/bin/true"}, syscall.SIGINT, 130},
		{"deadline", []string{"--once", "--deadline", deadline(2)}, 0, 111},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := newSlowDisk(t)
			disk.holdUp()
			p := lab.Start(t, 0, l.dir, append(append(svidCommand(), "--socket", l.socket, "--directory", disk.dir, "--allow-disk"), c.args...)...)
			disk.awaitWriter(t, p)
			if c.signal != 0 {
				p.Signal(c.signal)
			}
			begin := time.Now()
			p.Wait(t, 10*time.Second)
			if took := time.Since(begin); p.Status() != c.status || (took > 4*time.Second && !lab.Wrapped()) {
				t.Errorf("status %d after %v, want %d\n%s", p.Status(), took, c.status, p)
			}
			if got := visible(t, disk.dir); got != "" {
				t.Errorf("the directory shows '%s'", got)
			}
		})
	}
}

// TestSVIDSlowDiskReadsOn: the stream is read while the disk stands still, so that
// the server is not held up either; delivered is then the latest state alone.
func TestSVIDSlowDiskReadsOn(t *testing.T) {
	t.Parallel()
	const messages = 40
	begin, sent := make(chan struct{}), make(chan struct{})
	api := newFake(t, func(c *call) {
		c.begin()
		c.data(framed(c.api.message("/first", fakeSVID{})), 16384)
		<-begin
		for i := range messages {
			c.dataWithinWindow(framed(c.api.message(fmt.Sprintf("/m/%d", i), fakeSVID{padding: 60000})), 16384)
		}
		close(sent)
	})
	disk := newSlowDisk(t)
	p := lab.Start(t, 0, api.dir, append(svidCommand(), "--socket", api.socket, "--directory", disk.dir, "--allow-disk")...)
	waitEvent(t, p, "delivered", 1, 20*time.Second)
	disk.holdUp()
	close(begin)
	select {
	case <-sent:
	case <-time.After(lab.Patience(20 * time.Second)):
		t.Fatalf("the stream was not read\n%s", p)
	}
	disk.awaitWriter(t, p)
	disk.letGo()
	last := svidID(fmt.Sprintf("/m/%d", messages-1)) + `"`
	lab.Eventually(t, 20*time.Second, "the last message", func() (bool, string) {
		return strings.Contains(p.Stderr.String(), last), p.Stderr.String()
	})
	if n := countEvents(t, p, "delivered"); n > 4 {
		t.Errorf("%d deliveries", n)
	}
	if leaf := delivered(t, disk.dir, "svid.pem", "svid_key.pem", "svid_bundle.pem"); leaf.ID.String() != strings.TrimSuffix(last, `"`) {
		t.Errorf("delivered was %s", leaf.ID)
	}
	if _, err := os.Stat(filepath.Join(disk.dir, "..data", "..list")); err != nil {
		t.Error(err)
	}
}
