package main

import (
	"context"
	"path"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// layer is what all nodes of a mount share.
type layer struct {
	journal journal
	rules   rules
}

// node passes each call on to the backing file, between the rules before and after it.
type node struct {
	fs.LoopbackNode
	layer *layer
}

func (n *node) name() string {
	return n.Path(n.Root())
}

func (n *node) child(name string) string {
	return path.Join(n.name(), name)
}

func (n *node) file() uint64 {
	return n.StableAttr().Ino
}

// look is for calls that change nothing.
func (n *node) look(ctx context.Context, op, name string, act func() syscall.Errno) syscall.Errno {
	if v := n.layer.rules.judge(ctx, "before", op, name, 0); v.errno != 0 {
		return v.errno
	}
	return act()
}

// change is for calls that do: numbered, written down.
func (n *node) change(ctx context.Context, op string, c *change, act func() syscall.Errno) syscall.Errno {
	before := n.layer.rules.judge(ctx, "before", op, c.path, 0)
	number, errno := n.layer.journal.perform(c, func() syscall.Errno {
		if before.errno != 0 {
			return before.errno
		}
		return act()
	})
	if errno != 0 {
		return errno
	}
	return n.layer.rules.judge(ctx, "after", op, c.path, number).errno
}

var _ = (fs.NodeLookuper)((*node)(nil))

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.look(ctx, "lookup", n.child(name), func() (e syscall.Errno) {
		child, e = n.LoopbackNode.Lookup(ctx, name, out)
		return e
	})
	return child, errno
}

var _ = (fs.NodeOpener)((*node)(nil))

func (n *node) Open(ctx context.Context, flags uint32) (handle fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	errno = n.look(ctx, "open", n.name(), func() (e syscall.Errno) {
		handle, fuseFlags, e = n.LoopbackNode.Open(ctx, flags)
		if e == 0 {
			handle = &openFile{handle.(*fs.LoopbackFile)}
		}
		return e
	})
	return handle, fuseFlags, errno
}

var _ = (fs.NodeOpendirHandler)((*node)(nil))

func (n *node) OpendirHandle(ctx context.Context, flags uint32) (handle fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	errno = n.look(ctx, "readdir", n.name(), func() syscall.Errno {
		stream, e := fs.NewLoopbackDirStream(path.Join(n.RootData.Path, n.name()))
		if e == 0 {
			// Hides the stream's own Fsyncdir, so that syncing a directory comes to the node.
			handle = &directory{stream}
		}
		return e
	})
	return handle, 0, errno
}

// openFile hides what else a loopback file can do: the kernel would pass its reads and writes by us to the backing file.
type openFile struct{ file *fs.LoopbackFile }

func (f *openFile) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return f.file.Read(ctx, dest, off)
}

func (f *openFile) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	return f.file.Write(ctx, data, off)
}

func (f *openFile) Release(ctx context.Context) syscall.Errno { return f.file.Release(ctx) }

func (f *openFile) Flush(ctx context.Context) syscall.Errno { return f.file.Flush(ctx) }

func (f *openFile) Getattr(ctx context.Context, out *fuse.AttrOut) syscall.Errno {
	return f.file.Getattr(ctx, out)
}

func (f *openFile) Setattr(ctx context.Context, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return f.file.Setattr(ctx, in, out)
}

func (f *openFile) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	return f.file.Allocate(ctx, off, size, mode)
}

// directory is an open directory that leaves syncing to its node.
type directory struct{ stream fs.DirStream }

func (d *directory) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !d.stream.HasNext() {
		return nil, 0
	}
	entry, errno := d.stream.Next()
	return &entry, errno
}

func (d *directory) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	if seeker, ok := d.stream.(fs.FileSeekdirer); ok {
		return seeker.Seekdir(ctx, off)
	}
	return syscall.ENOTSUP
}

func (d *directory) Releasedir(ctx context.Context, flags uint32) {
	d.stream.Close()
}

var _ = (fs.NodeReader)((*node)(nil))

func (n *node) Read(ctx context.Context, f fs.FileHandle, dest []byte, off int64) (result fuse.ReadResult, errno syscall.Errno) {
	errno = n.look(ctx, "read", n.name(), func() (e syscall.Errno) {
		result, e = f.(fs.FileReader).Read(ctx, dest, off)
		return e
	})
	return result, errno
}

var _ = (fs.NodeStatfser)((*node)(nil))

func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.look(ctx, "statfs", n.name(), func() syscall.Errno { return n.LoopbackNode.Statfs(ctx, out) })
}

var _ = (fs.NodeCreater)((*node)(nil))

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (child *fs.Inode, handle fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	c := &change{kind: kindCreate, path: n.child(name), at: uint64(mode & 0o7777)}
	errno = n.change(ctx, "create", c, func() (e syscall.Errno) {
		child, handle, fuseFlags, e = n.LoopbackNode.Create(ctx, name, flags, mode, out)
		if e == 0 {
			handle = &openFile{handle.(*fs.LoopbackFile)}
			c.file = child.StableAttr().Ino
		}
		return e
	})
	return child, handle, fuseFlags, errno
}

var _ = (fs.NodeWriter)((*node)(nil))

func (n *node) Write(ctx context.Context, f fs.FileHandle, data []byte, off int64) (written uint32, errno syscall.Errno) {
	name := n.name()
	before := n.layer.rules.judge(ctx, "before", "write", name, 0)
	if before.short > 0 && before.short < len(data) {
		data = data[:before.short]
	}
	c := &change{kind: kindWrite, path: name, file: n.file(), at: uint64(off)}
	number, errno := n.layer.journal.perform(c, func() (e syscall.Errno) {
		if before.errno != 0 {
			return before.errno
		}
		written, e = f.(fs.FileWriter).Write(ctx, data, off)
		if e == 0 {
			c.data, c.size = data[:written], uint64(written)
		}
		return e
	})
	if errno != 0 {
		return 0, errno
	}
	return written, n.layer.rules.judge(ctx, "after", "write", name, number).errno
}

var _ = (fs.NodeFsyncer)((*node)(nil))

// Fsync writes nothing to the real disk: the machine of a test does not lose power, and what would be lost is reckoned
// from the record.
func (n *node) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	op, kind := "fsync", uint8(kindSync)
	if _, isDirectory := f.(*directory); isDirectory {
		op, kind = "fsyncdir", kindSyncDir
	} else if flags&1 == 1 {
		op, kind = "fdatasync", kindSyncBytes
	}
	return n.change(ctx, op, &change{kind: kind, path: n.name(), file: n.file()}, func() syscall.Errno { return 0 })
}

var _ = (fs.NodeSetattrer)((*node)(nil))

func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	size, cut := in.GetSize()
	if !cut {
		return n.look(ctx, "setattr", n.name(), func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, f, in, out) })
	}
	c := &change{kind: kindTruncate, path: n.name(), file: n.file(), size: size}
	return n.change(ctx, "truncate", c, func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, f, in, out) })
}

var _ = (fs.NodeAllocater)((*node)(nil))

func (n *node) Allocate(ctx context.Context, f fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	c := &change{kind: kindAllocate, path: n.name(), file: n.file(), at: off, size: size}
	return n.change(ctx, "fallocate", c, func() syscall.Errno { return f.(fs.FileAllocater).Allocate(ctx, off, size, mode) })
}

var _ = (fs.NodeCopyFileRanger)((*node)(nil))

// CopyFileRange is refused, and the caller writes: so all bytes are in the record.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOTSUP
}

var _ = (fs.NodeRenamer)((*node)(nil))

func (n *node) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	target := parent.EmbeddedInode().Path(n.Root())
	c := &change{kind: kindRename, path: n.child(name), path2: path.Join(target, newName)}
	return n.change(ctx, "rename", c, func() syscall.Errno {
		if flags != 0 {
			return syscall.EINVAL
		}
		from, to := path.Join(n.RootData.Path, c.path), path.Join(n.RootData.Path, c.path2)
		return fs.ToErrno(syscall.Rename(from, to))
	})
}

var _ = (fs.NodeUnlinker)((*node)(nil))

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	c := &change{kind: kindRemove, path: n.child(name)}
	return n.change(ctx, "unlink", c, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

var _ = (fs.NodeMkdirer)((*node)(nil))

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	c := &change{kind: kindMkdir, path: n.child(name), at: uint64(mode & 0o7777)}
	errno = n.change(ctx, "mkdir", c, func() (e syscall.Errno) {
		child, e = n.LoopbackNode.Mkdir(ctx, name, mode, out)
		return e
	})
	return child, errno
}

var _ = (fs.NodeRmdirer)((*node)(nil))

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	c := &change{kind: kindRmdir, path: n.child(name)}
	return n.change(ctx, "rmdir", c, func() syscall.Errno { return n.LoopbackNode.Rmdir(ctx, name) })
}

var _ = (fs.NodeLinker)((*node)(nil))

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	c := &change{kind: kindLink, path: n.child(name), file: target.EmbeddedInode().StableAttr().Ino}
	errno = n.change(ctx, "link", c, func() syscall.Errno {
		from := path.Join(n.RootData.Path, target.EmbeddedInode().Path(n.Root()))
		if e := syscall.Link(from, path.Join(n.RootData.Path, c.path)); e != nil {
			return fs.ToErrno(e)
		}
		var e syscall.Errno
		child, e = n.LoopbackNode.Lookup(ctx, name, out)
		return e
	})
	return child, errno
}
