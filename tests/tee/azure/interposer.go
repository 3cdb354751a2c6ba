// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Command codes that are watched or counted by name.
const (
	codeNVWrite      = 0x137
	codePCRRead      = 0x17E
	codePCRExtend    = 0x182
	codeNVRead       = 0x14E
	codeNVReadPublic = 0x169
)

var commandNames = map[uint32]string{
	0x122: "NV_UndefineSpace", 0x12A: "NV_DefineSpace", codeNVWrite: "NV_Write", codeNVRead: "NV_Read", 0x158: "Quote",
	codeNVReadPublic: "NV_ReadPublic", 0x173: "ReadPublic", 0x17A: "GetCapability", 0x17B: "GetRandom", codePCRRead: "PCR_Read", codePCRExtend: "PCR_Extend",
}

// deviceDir is a directory that is never seen: its file is bound to /dev.
type deviceDir struct {
	fs.Inode
	m *machine
}

// deviceNodes are the device, and another node of it, as a container has its own: who
// locks the one does not lock the other.
var deviceNodes = []string{"tpmrm0", "tpmrm0.container"}

// OnAdd makes the device.
func (d *deviceDir) OnAdd(ctx context.Context) {
	for _, name := range deviceNodes {
		d.AddChild(name, d.NewPersistentInode(ctx, &device{m: d.m}, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	}
}

// device is /dev/tpmrm0.
type device struct {
	fs.Inode
	m *machine
}

var (
	_ fs.NodeOpener = (*device)(nil)
	_ fs.FileReader = (*session)(nil)
	_ fs.FileWriter = (*session)(nil)
)

// Open opens the device.
func (d *device) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &session{m: d.m}, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NONSEEKABLE, 0
}

// Getattr shows a file for its owner only, as the device is by default.
func (*device) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFREG | 0o600
	return 0
}

// session is an open device: at most one command, then its response, in pieces.
type session struct {
	m        *machine
	mu       sync.Mutex
	response []byte
}

// Write takes one whole command, as the kernel does.
func (s *session) Write(_ context.Context, command []byte, _ int64) (uint32, syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.response) > 0 {
		return 0, syscall.EBUSY
	}
	if len(command) < headerSize || len(command) > maxCommand || binary.BigEndian.Uint32(command[2:]) != uint32(len(command)) {
		return 0, syscall.EINVAL
	}
	response, err := s.m.command(command)
	if err != nil {
		s.m.blame(err)
		return 0, syscall.EIO
	}
	s.response = response
	return uint32(len(command)), 0
}

// Read gives the response, also piece by piece.
func (s *session) Read(_ context.Context, into []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(into, s.response)
	s.response = s.response[n:]
	return fuse.ReadResultData(into[:n]), 0
}

// command passes a command of the guest's on, and sees what it was.
func (m *machine) command(command []byte) ([]byte, error) {
	code := binary.BigEndian.Uint32(command[6:])
	m.count(func(c *Counters) {
		c.Commands[codeName(code)]++
		c.Total++
	})
	time.Sleep(m.faults.Duration("tpm-slow"))
	if rc, armed := m.faults.Number("tpm-error"); armed {
		return binary.BigEndian.AppendUint32([]byte{0x80, 0x01, 0, 0, 0, headerSize}, rc), nil
	}
	m.tpm.mu.Lock()
	defer m.tpm.mu.Unlock()
	if code == codePCRRead && m.faults.Armed("pcr-race") {
		m.extra[0]++
		if err := m.tpm.extend(15, m.extra); err != nil {
			return nil, fmt.Errorf("extend a PCR: %w", err)
		}
	}
	if code == codePCRExtend && m.faults.Armed("pcr8-race") {
		if err := m.tpm.extend(8, m.extra); err != nil {
			return nil, fmt.Errorf("extend PCR 8: %w", err)
		}
	}
	if response := m.longIndex(code, command); response != nil {
		return response, nil
	}
	began := time.Now()
	response, err := m.tpm.exchange(command)
	if err != nil {
		return nil, err
	}
	m.count(func(c *Counters) { c.TPMMicros[codeName(code)] += time.Since(began).Microseconds() })
	succeeded := binary.BigEndian.Uint32(response[6:]) == 0
	if succeeded && code == codeNVWrite && indexOf(command) == indexReportData {
		m.written()
	}
	return response, nil
}

// indexOf is the second handle of a command, which NV commands have for the index.
func indexOf(command []byte) uint32 {
	if len(command) < headerSize+8 {
		return 0
	}
	return binary.BigEndian.Uint32(command[headerSize+4:])
}
