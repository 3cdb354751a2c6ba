// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"context"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// attribute is one file of an instance.
type attribute struct {
	fs.Inode
	inst   *instance
	name   string
	mode   uint32
	binary bool
}

var (
	_ fs.NodeGetattrer = (*attribute)(nil)
	_ fs.NodeSetattrer = (*attribute)(nil)
	_ fs.NodeOpener    = (*attribute)(nil)
)

// Getattr shows the size that the kernel shows: a page for text, nothing for bytes.
func (a *attribute) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFREG | a.mode
	if !a.binary {
		out.Size = 4096
	}
	return 0
}

// Setattr lets O_TRUNC pass without effect.
func (a *attribute) Setattr(ctx context.Context, f fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return a.Getattr(ctx, f, out)
}

// Open refuses what the attribute cannot do, to root as well.
func (a *attribute) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	access := flags & syscall.O_ACCMODE
	reads := access == syscall.O_RDONLY || access == syscall.O_RDWR
	writes := access == syscall.O_WRONLY || access == syscall.O_RDWR
	if (reads && a.mode&0o444 == 0) || (writes && a.mode&0o222 == 0) {
		return nil, 0, syscall.EACCES
	}
	if a.inst.gone() {
		return nil, 0, syscall.ENOENT
	}
	return &openAttribute{a: a}, fuse.FOPEN_DIRECT_IO, 0
}

// openAttribute is one open file: what it read first, or will write last.
type openAttribute struct {
	a *attribute

	mu      sync.Mutex
	filled  bool
	content []byte
	dirty   bool
	pending []byte
}

var (
	_ fs.FileReader  = (*openAttribute)(nil)
	_ fs.FileWriter  = (*openAttribute)(nil)
	_ fs.FileFlusher = (*openAttribute)(nil)
)

// Read fills the file's buffer at the first read and serves from it after that. An
// empty blob is not kept: each read asks again, as in the kernel.
func (o *openAttribute) Read(ctx context.Context, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.a.inst.gone() {
		return nil, syscall.ENOENT
	}
	if !o.filled {
		if errno := o.fill(ctx); errno != 0 {
			return nil, errno
		}
	}
	if offset >= int64(len(o.content)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(o.content[offset:min(int(offset)+len(dest), len(o.content))]), 0
}

func (o *openAttribute) fill(ctx context.Context) syscall.Errno {
	i := o.a.inst
	if errno := i.dir.m.errno(o.a.name); errno != 0 {
		return errno
	}
	if !o.a.binary {
		o.content, o.filled = []byte(i.show(o.a.name)), true
		return 0
	}
	i.busy <- struct{}{}
	defer func() { <-i.busy }()
	if i.gone() {
		return syscall.ENOENT
	}
	outblob, auxblob, errno := i.report(ctx.Done())
	if errno != 0 {
		return errno
	}
	o.content = outblob
	if o.a.name == "auxblob" {
		o.content = auxblob
	}
	o.filled = len(o.content) > 0
	return 0
}

// Write takes text at once. Bytes wait for the file to be closed, and only a size
// that can never be right is refused now.
func (o *openAttribute) Write(_ context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.a.inst.gone() {
		return 0, syscall.ENOENT
	}
	if errno := o.a.inst.dir.m.errno(o.a.name); errno != 0 {
		return 0, errno
	}
	if !o.a.binary {
		if errno := o.a.inst.storePrivlevel(data); errno != 0 {
			return 0, errno
		}
		return uint32(len(data)), 0
	}
	end := offset + int64(len(data))
	if end > maxInblob {
		return 0, syscall.EFBIG
	}
	if grow := end - int64(len(o.pending)); grow > 0 {
		o.pending = append(o.pending, make([]byte, grow)...)
	}
	copy(o.pending[offset:], data)
	o.dirty = true
	return uint32(len(data)), 0
}

// Flush is where close() waits for us; RELEASE comes after it has returned. The
// outcome is nobody's: the kernel drops it too.
func (o *openAttribute) Flush(context.Context) syscall.Errno {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dirty && !o.a.inst.gone() {
		o.a.inst.commit(o.pending)
	}
	o.dirty, o.pending = false, nil
	return 0
}
