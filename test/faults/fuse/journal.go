package main

import (
	"bufio"
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// journal numbers the changes, and writes them down while it is asked to.
//
// A record, little-endian:
//
//	| length u32 of all after it | kind u8 | 3 zeros | errno u32 | number u64 | file u64 | at u64 | size u64 |
//	| path length u16 | second path length u16 | path | second path | data |
//
// file: the inode of BACKING, so that a write reaches the file and not its name. Calls that failed by a rule or by
// themselves are written down with their errno, and changed nothing.
type journal struct {
	lock    sync.Mutex
	counter *uint64
	out     *bufio.Writer
	file    *os.File
}

const (
	kindCreate = iota + 1
	kindWrite
	kindTruncate
	kindSync
	kindSyncDir
	kindRename
	kindRemove
	kindMkdir
	kindRmdir
	kindLink
	kindAllocate
	kindSyncBytes
)

type change struct {
	kind        uint8
	errno       syscall.Errno
	file        uint64
	at, size    uint64
	path, path2 string
	data        []byte
}

func openCounter(path string) (*uint64, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(8); err != nil {
		return nil, err
	}
	page, err := syscall.Mmap(int(file.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*uint64)(unsafe.Pointer(&page[0])), nil
}

func (j *journal) count() uint64 {
	j.lock.Lock()
	defer j.lock.Unlock()
	return *j.counter
}

func (j *journal) start(path string) error {
	if err := j.stop(); err != nil {
		return err
	}
	j.lock.Lock()
	defer j.lock.Unlock()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	j.file, j.out = file, bufio.NewWriterSize(file, 1<<20)
	return nil
}

func (j *journal) stop() error {
	j.lock.Lock()
	defer j.lock.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.out.Flush()
	if closing := j.file.Close(); err == nil {
		err = closing
	}
	j.file, j.out = nil, nil
	return err
}

// perform does one change, alone, so that the numbers are the order in which things happened. Returns its number.
func (j *journal) perform(c *change, act func() syscall.Errno) (uint64, syscall.Errno) {
	j.lock.Lock()
	defer j.lock.Unlock()
	c.errno = act()
	*j.counter++
	number := *j.counter
	if j.out != nil {
		j.write(number, c)
	}
	return number, c.errno
}

func (j *journal) write(number uint64, c *change) {
	var head [48]byte
	data := c.data
	if c.errno != 0 {
		data = nil
	}
	binary.LittleEndian.PutUint32(head[0:], uint32(44+len(c.path)+len(c.path2)+len(data)))
	head[4] = c.kind
	binary.LittleEndian.PutUint32(head[8:], uint32(c.errno))
	binary.LittleEndian.PutUint64(head[12:], number)
	binary.LittleEndian.PutUint64(head[20:], c.file)
	binary.LittleEndian.PutUint64(head[28:], c.at)
	binary.LittleEndian.PutUint64(head[36:], c.size)
	binary.LittleEndian.PutUint16(head[44:], uint16(len(c.path)))
	binary.LittleEndian.PutUint16(head[46:], uint16(len(c.path2)))
	j.out.Write(head[:])
	j.out.WriteString(c.path)
	j.out.WriteString(c.path2)
	if _, err := j.out.Write(data); err != nil {
		fail("the record cannot be written: %v", err)
	}
}
