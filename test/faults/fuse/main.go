// faultyfs mounts a directory again elsewhere, and breaks it there on demand.
//
//	faultyfs BACKING MOUNT COUNTER
//
// Every call of the mount goes to the same file under BACKING. What changes something is numbered, and COUNTER (a file of
// 8 bytes, little-endian) always holds the number of the last change. Commands are JSON lines on standard input, answers
// and events JSON lines on standard output. It unmounts (lazily, whoever still uses it) when its input ends.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

type command struct {
	ID     int    `json:"id"`
	Cmd    string `json:"cmd"`
	Rule   *rule  `json:"rule,omitempty"`
	Number int    `json:"number,omitempty"`
	File   string `json:"file,omitempty"`
	On     bool   `json:"on,omitempty"`
}

var outputLock sync.Mutex

func say(value any) {
	line, _ := json.Marshal(value)
	outputLock.Lock()
	defer outputLock.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "faultyfs: "+format+"\n", args...)
	os.Exit(1)
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: faultyfs BACKING MOUNT COUNTER")
	}
	backing, mount := os.Args[1], os.Args[2]
	syscall.Umask(0)
	var st syscall.Stat_t
	if err := syscall.Stat(backing, &st); err != nil {
		fail("%s: %v", backing, err)
	}
	counter, err := openCounter(os.Args[3])
	if err != nil {
		fail("%s: %v", os.Args[3], err)
	}
	layer := &layer{journal: journal{counter: counter}, rules: rules{end: make(chan struct{})}}
	root := &fs.LoopbackRoot{Path: backing, Dev: uint64(st.Dev)}
	root.NewNode = func(_ *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return &node{LoopbackNode: fs.LoopbackNode{RootData: root}, layer: layer}
	}
	top := &node{LoopbackNode: fs.LoopbackNode{RootData: root}, layer: layer}
	root.RootNode = top
	// Nothing is remembered by the kernel: what a rule changes is seen by the next call.
	never := time.Duration(0)
	options := &fs.Options{EntryTimeout: &never, AttrTimeout: &never, NullPermissions: true}
	options.MountOptions = fuse.MountOptions{
		FsName: "faultyfs", Name: "faultyfs", DirectMount: true, MaxWrite: 1 << 20, DisableXAttrs: true,
	}
	server, err := fs.Mount(mount, top, options)
	if err != nil {
		fail("cannot mount %s: %v", mount, err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGINT, syscall.SIGPIPE)
	ended := make(chan struct{})
	go func() {
		obey(layer)
		close(ended)
	}()
	go func() {
		server.Wait()
		os.Exit(0)
	}()
	say(map[string]any{"event": "mounted"})
	select {
	case <-signals:
	case <-ended:
	}
	layer.rules.release()
	layer.journal.stop()
	// MNT_DETACH: the name goes now, also while a killed process has yet to close its files.
	if err := syscall.Unmount(mount, 2); err != nil {
		_ = server.Unmount()
	}
	say(map[string]any{"event": "unmounted"})
	os.Exit(0)
}

// obey follows commands until the input ends.
func obey(layer *layer) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			say(map[string]any{"id": c.ID, "error": err.Error()})
			continue
		}
		answer, err := obeyOne(layer, &c)
		if err != nil {
			say(map[string]any{"id": c.ID, "error": err.Error()})
			continue
		}
		answer["id"] = c.ID
		say(answer)
	}
}

func obeyOne(layer *layer, c *command) (map[string]any, error) {
	switch c.Cmd {
	case "rule":
		number, err := layer.rules.add(c.Rule)
		return map[string]any{"number": number}, err
	case "remove":
		return map[string]any{"fired": layer.rules.remove(c.Number)}, nil
	case "readOnly":
		layer.rules.setReadOnly(c.On)
		return map[string]any{}, nil
	case "record":
		return map[string]any{"op": layer.journal.count()}, layer.journal.start(c.File)
	case "stopRecord":
		return map[string]any{"op": layer.journal.count()}, layer.journal.stop()
	}
	return nil, fmt.Errorf("unknown command %q", c.Cmd)
}
