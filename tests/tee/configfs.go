// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	maxInblob    = 64
	maxPrivlevel = 3
	maxCertTable = 0x4000 // the driver's buffer for the host's certificates
)

// Firmware statuses that the driver calls the caller's fault.
const (
	statusInvalidParameter    = 0x16
	statusInvalidKeySelection = 0x27
)

// reportDir is /sys/kernel/config/tsm/report. One lock guards all instances, as in
// the kernel: while a report is being made nothing else goes on.
type reportDir struct {
	fs.Inode
	m    *machine
	lock sync.RWMutex
}

var (
	_ fs.NodeMkdirer   = (*reportDir)(nil)
	_ fs.NodeOpendirer = (*reportDir)(nil)
	_ fs.NodeRmdirer   = (*reportDir)(nil)
	_ fs.NodeUnlinker  = (*reportDir)(nil)
)

// attributes of an instance, in the order of the kernel's tables.
var attributes = []struct {
	name    string
	mode    uint32
	binary  bool
	sevOnly bool
}{
	{"generation", 0o444, false, false}, {"provider", 0o444, false, false},
	{"privlevel", 0o200, false, true}, {"privlevel_floor", 0o444, false, true},
	{"inblob", 0o200, true, false}, {"outblob", 0o400, true, false}, {"auxblob", 0o400, true, true},
}

// Opendir can be made to fail.
func (d *reportDir) Opendir(context.Context) syscall.Errno { return d.m.errno("opendir") }

// Mkdir makes an instance with its attributes.
func (d *reportDir) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := d.m.errno("mkdir"); errno != 0 {
		return nil, errno
	}
	d.lock.RLock()
	defer d.lock.RUnlock()
	if d.m.o.provider() == "none" {
		return nil, syscall.ENXIO
	}
	if d.GetChild(name) != nil {
		return nil, syscall.EEXIST
	}
	inst := &instance{dir: d, busy: make(chan struct{}, 1)}
	node := d.NewPersistentInode(ctx, inst, fs.StableAttr{Mode: syscall.S_IFDIR})
	for _, a := range attributes {
		if a.sevOnly && d.m.o.isTDX() {
			continue
		}
		attr := &attribute{inst: inst, name: a.name, mode: a.mode, binary: a.binary}
		node.AddChild(a.name, d.NewPersistentInode(ctx, attr, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	}
	d.m.count(func(c *Counters) { c.Mkdir++; c.Instances++ })
	out.Mode = syscall.S_IFDIR | 0o755
	return node, 0
}

// Rmdir destroys an instance, its attributes included.
func (d *reportDir) Rmdir(ctx context.Context, name string) syscall.Errno {
	child := d.GetChild(name)
	if child == nil {
		return syscall.ENOENT
	}
	if errno := d.m.errno("rmdir"); errno != 0 {
		return errno
	}
	inst := child.Operations().(*instance)
	// The kernel waits for those who read or write an attribute of it (frag_sem).
	select {
	case inst.busy <- struct{}{}:
	case <-ctx.Done():
		return syscall.EINTR
	}
	inst.kill()
	<-inst.busy
	child.RmAllChildren()
	d.m.count(func(c *Counters) { c.Rmdir++; c.Instances-- })
	return 0
}

// Unlink does not exist in configfs.
func (d *reportDir) Unlink(context.Context, string) syscall.Errno { return syscall.EPERM }

// instance is one request for a report.
type instance struct {
	fs.Inode
	dir  *reportDir
	busy chan struct{} // full while a blob is being made

	mu         sync.Mutex // below dir.lock
	dead       bool
	inblob     []byte
	privlevel  uint32
	written    uint64 // generation of the wishes
	made       uint64 // generation that the report was made for
	outblob    []byte // nil: none was made
	auxblob    []byte
	hasOutblob bool
}

var _ fs.NodeUnlinker = (*instance)(nil)

// Unlink is refused: attributes go with their directory.
func (i *instance) Unlink(context.Context, string) syscall.Errno { return syscall.EPERM }

// Mkdir is refused: instances have no children.
func (i *instance) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (i *instance) kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dead = true
}

func (i *instance) gone() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dead
}

// advance is the rule of the generation: it counts writes.
func (i *instance) advance(apply func()) {
	i.dir.lock.Lock()
	defer i.dir.lock.Unlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.written++
	apply()
	i.dir.m.count(func(c *Counters) { c.Writes++ })
}

// report gives the blobs, and makes them unless the last ones still answer the last
// wishes.
func (i *instance) report(interrupted <-chan struct{}) (outblob, auxblob []byte, errno syscall.Errno) {
	i.dir.lock.Lock()
	defer i.dir.lock.Unlock()
	switch {
	case i.dir.m.o.provider() == "none":
		return nil, nil, syscall.ENXIO
	case len(i.inblob) == 0:
		return nil, nil, syscall.EINVAL
	case !i.hasOutblob || i.made != i.written:
		if errno := i.regenerate(interrupted); errno != 0 {
			return nil, nil, errno
		}
	}
	return i.outblob, i.auxblob, 0
}

func (i *instance) regenerate(interrupted <-chan struct{}) syscall.Errno {
	m := i.dir.m
	if m.faults.Armed("other-writer") {
		i.written++
		i.inblob = bytes.Repeat([]byte{0x0F}, maxInblob)
	}
	if len(i.inblob) != maxInblob {
		return syscall.EINVAL // both drivers want 64 bytes
	}
	if errno := m.wait(interrupted); errno != 0 {
		return errno
	}
	if errno := i.generate(); errno != 0 {
		return errno
	}
	if m.faults.Armed("empty") {
		i.outblob = nil
	}
	if n, armed := m.faults.Number("short"); armed {
		i.outblob = i.outblob[:min(int(n), len(i.outblob))]
	}
	i.hasOutblob, i.made = true, i.written
	return 0
}

// generate asks the provider.
func (i *instance) generate() (errno syscall.Errno) {
	m := i.dir.m
	if m.o.isTDX() {
		i.outblob, errno = m.tdxQuote(i.inblob)
		return errno
	}
	status, failed := m.faults.Number("status")
	if i.privlevel < uint32(m.o.Floor) {
		status, failed = statusInvalidParameter, true
	}
	switch {
	case failed && (status == statusInvalidParameter || status == statusInvalidKeySelection):
		return syscall.EINVAL
	case failed && status != 0:
		return syscall.ENXIO
	}
	i.outblob, errno = m.snpReport(i.inblob, i.privlevel)
	i.auxblob = cutTable(m.table())
	return errno
}

// cutTable is what the driver leaves of the host's pages: up to the end of the
// last certificate that the table names, and never beyond the buffer. What the host
// did not write is zeros.
func cutTable(table []byte) []byte {
	pages := append(bytes.Clone(table), make([]byte, maxCertTable-min(len(table), maxCertTable))...)
	end := uint64(0)
	for at := 0; at+24 <= len(table) && !bytes.Equal(table[at:at+16], make([]byte, 16)); at += 24 {
		offset, length := binary.LittleEndian.Uint32(table[at+16:]), binary.LittleEndian.Uint32(table[at+20:])
		end = max(end, uint64(offset)+uint64(length))
	}
	return pages[:min(end, maxCertTable)]
}

// show is the text of a readable attribute.
func (i *instance) show(name string) string {
	i.dir.lock.RLock()
	defer i.dir.lock.RUnlock()
	switch name {
	case "generation":
		return strconv.FormatUint(i.written, 10) + "\n"
	case "provider":
		return i.dir.m.o.provider() + "\n"
	}
	return fmt.Sprintf("%d\n", i.dir.m.o.Floor)
}

// storePrivlevel takes decimal, octal (0…) or hexadecimal (0x…) text, as kstrtouint does.
func (i *instance) storePrivlevel(text []byte) syscall.Errno {
	level, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 0, 32)
	if err != nil || level > maxPrivlevel || level < uint64(i.dir.m.o.Floor) {
		return syscall.EINVAL
	}
	i.advance(func() { i.privlevel = uint32(level) })
	return 0
}

// commit applies a finished write to inblob.
func (i *instance) commit(data []byte) {
	if i.dir.m.faults.Armed("refuse-inblob") {
		return
	}
	i.advance(func() { i.inblob = bytes.Clone(data) })
}
