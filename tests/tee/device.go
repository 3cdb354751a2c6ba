// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"sealpod.test/tee/forge"
)

// Commands and sizes of <linux/sev-guest.h> and <linux/tdx-guest.h>.
const (
	snpGetReport     = 0xC0205300
	snpGetDerivedKey = 0xC0205301
	snpGetExtReport  = 0xC0205302
	tdxGetReport0    = 0xC4405401

	requestSize    = 96
	extRequestSize = 112
	responseSize   = 4000
	pageSize       = 4096
)

var ioctlNames = map[uint32]string{
	snpGetReport: "get_report", snpGetDerivedKey: "get_derived_key", snpGetExtReport: "get_ext_report", tdxGetReport0: "get_report0",
}

// deviceDir is a directory that is never seen: its files are bound to /dev.
type deviceDir struct {
	fs.Inode
	m *machine
}

// OnAdd makes the devices.
func (d *deviceDir) OnAdd(ctx context.Context) {
	for name, node := range map[string]fs.InodeEmbedder{"sev-guest": &sevGuest{m: d.m}, "tdx_guest": &tdxGuest{m: d.m}} {
		d.AddChild(name, d.NewPersistentInode(ctx, node, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	}
}

// openDevice is an open device; it holds nothing.
type openDevice struct{}

// sevGuest is /dev/sev-guest. All commands are serialised, as in the driver.
type sevGuest struct {
	fs.Inode
	m    *machine
	lock sync.Mutex
}

var (
	_ fs.NodeOpener  = (*sevGuest)(nil)
	_ fs.NodeIoctler = (*sevGuest)(nil)
	_ fs.NodeOpener  = (*tdxGuest)(nil)
	_ fs.NodeIoctler = (*tdxGuest)(nil)
)

// Open opens the device.
func (s *sevGuest) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if errno := s.m.errno("device"); errno != 0 {
		return nil, 0, errno
	}
	return &openDevice{}, fuse.FOPEN_DIRECT_IO, 0
}

// Getattr shows a file for its owner only, as devices are by default.
func (*sevGuest) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFREG | 0o600
	return 0
}

// call is one ioctl in progress: the wrapper, and the memory that it points to.
type call struct {
	pid       int
	cancel    <-chan struct{}
	request   uint64
	response  uint64
	exitinfo2 uint64
}

// Ioctl answers with the wrapper, and fills the rest of the caller's memory by itself.
func (s *sevGuest) Ioctl(ctx context.Context, _ fs.FileHandle, cmd uint32, _ uint64, input, output []byte) (int32, syscall.Errno) {
	count(s.m, cmd)
	if len(input) != 32 || len(output) != 32 {
		return 0, syscall.ENOTTY
	}
	copy(output, input)
	if errno := s.m.errno("ioctl"); errno != 0 {
		return -int32(errno), 0
	}
	if input[0] == 0 {
		return -int32(syscall.EINVAL), 0
	}
	c := &call{
		pid: caller(ctx), cancel: ctx.Done(), exitinfo2: 0xFF,
		request: binary.LittleEndian.Uint64(input[8:]), response: binary.LittleEndian.Uint64(input[16:]),
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	errno := s.dispatch(cmd, c)
	if c.exitinfo2 != 0 { // only then does the kernel copy it back
		binary.LittleEndian.PutUint64(output[24:], c.exitinfo2)
	}
	return -int32(errno), 0
}

func count(m *machine, cmd uint32) {
	name := ioctlNames[cmd]
	if name == "" {
		name = "unknown"
	}
	m.count(func(c *Counters) { c.Ioctls[name]++ })
}

func caller(ctx context.Context) int {
	who, _ := fuse.FromContext(ctx)
	return int(who.Pid)
}

func (s *sevGuest) dispatch(cmd uint32, c *call) syscall.Errno {
	if s.m.faults.Armed("fatal") || s.m.isDead() {
		return syscall.ENOTTY
	}
	if cmd != snpGetReport && cmd != snpGetExtReport {
		return syscall.ENOTTY // keys derived from the chip are not emulated
	}
	if c.request == 0 || c.response == 0 {
		return syscall.EINVAL
	}
	size := requestSize
	if cmd == snpGetExtReport {
		size = extRequestSize
	}
	request, errno := c.read(c.request, size)
	if errno != 0 {
		return errno
	}
	if cmd == snpGetExtReport {
		return s.extReport(c, request)
	}
	response, errno := s.report(c, request)
	if errno != 0 {
		return errno
	}
	return c.write(c.response, response)
}

// report makes the response: status, size, report.
func (s *sevGuest) report(c *call, request []byte) ([]byte, syscall.Errno) {
	if errno := s.m.wait(c.cancel); errno != 0 {
		return nil, errno
	}
	if errno := s.fail(c); errno != 0 {
		return nil, errno
	}
	c.exitinfo2 = 0
	response := make([]byte, responseSize)
	vmpl := binary.LittleEndian.Uint32(request[64:])
	status, _ := s.m.faults.Number("status")
	if vmpl < uint32(s.m.o.Floor) || vmpl > maxPrivlevel || !bytes.Equal(request[68:96], make([]byte, 28)) {
		status = statusInvalidParameter
	}
	if status != 0 { // and the ioctl still succeeds
		binary.LittleEndian.PutUint32(response, status)
		return response, 0
	}
	report, errno := s.m.snpReport(request[:64], vmpl)
	if errno != 0 {
		return nil, errno
	}
	size, armed := s.m.faults.Number("report-size")
	if !armed {
		size = forge.ReportSize
	}
	binary.LittleEndian.PutUint32(response[4:], size)
	copy(response[32:], report)
	return response, 0
}

// fail is what ends the device: the driver wipes its key at such errors.
func (s *sevGuest) fail(c *call) syscall.Errno {
	if code, armed := s.m.faults.Number("fw-error"); armed {
		c.exitinfo2 = uint64(code)
		s.m.die()
		return syscall.EIO
	}
	if code, armed := s.m.faults.Number("vmm-error"); armed {
		c.exitinfo2 = uint64(code) << 32
		s.m.die()
		return syscall.EIO
	}
	return 0
}

func (m *machine) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *machine) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// extReport is a report with the host's certificates, in a buffer that the caller sized.
func (s *sevGuest) extReport(c *call, request []byte) syscall.Errno {
	address, length := binary.LittleEndian.Uint64(request[96:]), binary.LittleEndian.Uint32(request[104:])
	if address == 0 {
		length = 0
	}
	limit, raised := s.m.faults.Number("certs-limit")
	if !raised {
		limit = maxCertTable
	}
	if length%pageSize != 0 || length > limit {
		return syscall.EINVAL
	}
	table := s.m.table()
	pages := uint32(len(table)+pageSize-1) / pageSize * pageSize
	if pages > length {
		s.m.count(func(c *Counters) { c.Burnt++ })
		if needed, lies := s.m.faults.Number("certs-needed"); lies {
			pages = needed
		}
		binary.LittleEndian.PutUint32(request[104:], pages)
		if errno := c.write(c.request, request); errno != 0 {
			return errno
		}
		c.exitinfo2 = 1 << 32
		if errno := s.m.errno("certs-errno"); errno != 0 {
			return errno
		}
		return syscall.EIO
	}
	response, errno := s.report(c, request)
	if errno != 0 {
		return errno
	}
	if length > 0 {
		if errno := c.write(address, append(table, make([]byte, int(length)-len(table))...)); errno != 0 {
			return errno
		}
	}
	return c.write(c.response, response)
}

// read and write reach into the caller: FUSE carries the 32 bytes of the wrapper only.
func (c *call) read(address uint64, size int) ([]byte, syscall.Errno) {
	data := make([]byte, size)
	local := []unix.Iovec{{Base: &data[0], Len: uint64(size)}}
	n, err := unix.ProcessVMReadv(c.pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: size}}, 0)
	if err != nil || n != size {
		return nil, syscall.EFAULT
	}
	return data, 0
}

func (c *call) write(address uint64, data []byte) syscall.Errno {
	local := []unix.Iovec{{Base: &data[0], Len: uint64(len(data))}}
	n, err := unix.ProcessVMWritev(c.pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(data)}}, 0)
	if err != nil || n != len(data) {
		return syscall.EFAULT
	}
	return 0
}

// tdxGuest is /dev/tdx_guest.
type tdxGuest struct {
	fs.Inode
	m *machine
}

// Open opens the device.
func (*tdxGuest) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &openDevice{}, fuse.FOPEN_DIRECT_IO, 0
}

// Getattr shows a file for its owner only.
func (*tdxGuest) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFREG | 0o600
	return 0
}

// Ioctl makes a TDREPORT, which is not counted as a report. The buffer is the argument itself, so FUSE carries it all.
func (d *tdxGuest) Ioctl(ctx context.Context, _ fs.FileHandle, cmd uint32, _ uint64, input, output []byte) (int32, syscall.Errno) {
	count(d.m, cmd)
	if cmd != tdxGetReport0 || len(input) != 1088 || len(output) != 1088 {
		return 0, syscall.ENOTTY
	}
	copy(output, input)
	if errno := d.m.errno("ioctl"); errno != 0 {
		return -int32(errno), 0
	}
	if errno := d.m.wait(ctx.Done()); errno != 0 {
		return -int32(errno), 0
	}
	body, err := d.m.body(d.m.carried(input[:64]))
	if err != nil {
		d.m.blame(err)
		return -int32(syscall.EIO), 0
	}
	copy(output[64:], forge.TDReport(body))
	return 0, 0
}
