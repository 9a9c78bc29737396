package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// rule breaks calls that match it. Op: a name of ops, or * for any that changes something. Path: a glob over the path in the mount,
// over its last part if it has no slash. Nth: only that match, counted from 1. Every: each n-th. Times: at most so often.
type rule struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Phase string `json:"phase"`
	Nth   int    `json:"nth"`
	Every int    `json:"every"`
	Times int    `json:"times"`
	// One of these, or only the event.
	Errno string `json:"errno"`
	// A process id, or "caller".
	Kill  string `json:"kill"`
	Delay int    `json:"delayMs"`
	// Writes at most so many bytes.
	Short int `json:"short"`

	number, seen, fired int
	errno               syscall.Errno
}

type rules struct {
	lock     sync.Mutex
	all      []*rule
	last     int
	readOnly bool
	end      chan struct{}
}

var changing = map[string]bool{
	"create": true, "write": true, "truncate": true, "fsync": true, "fdatasync": true, "fsyncdir": true, "rename": true,
	"unlink": true, "mkdir": true, "rmdir": true, "link": true, "fallocate": true, "setattr": true,
}
var looking = map[string]bool{"open": true, "read": true, "readdir": true, "getattr": true, "lookup": true, "statfs": true}

func (r *rules) add(one *rule) (int, error) {
	if one == nil || (one.Op != "*" && !changing[one.Op] && !looking[one.Op]) {
		return 0, fmt.Errorf("a rule needs an op")
	}
	if one.Path == "" {
		one.Path = "*"
	}
	if _, err := path.Match(one.Path, "x"); err != nil {
		return 0, err
	}
	if one.Phase == "" {
		one.Phase = "before"
	}
	if one.Errno != "" {
		if one.errno = errnoNamed(one.Errno); one.errno == 0 {
			return 0, fmt.Errorf("unknown errno %s", one.Errno)
		}
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.last++
	one.number = r.last
	r.all = append(r.all, one)
	return one.number, nil
}

func errnoNamed(name string) syscall.Errno {
	for number := syscall.Errno(1); number < 134; number++ {
		if unix.ErrnoName(number) == name {
			return number
		}
	}
	return 0
}

// remove tells how often the rule was used.
func (r *rules) remove(number int) int {
	r.lock.Lock()
	defer r.lock.Unlock()
	for i, one := range r.all {
		if one.number == number {
			r.all = append(r.all[:i:i], r.all[i+1:]...)
			return one.fired
		}
	}
	return 0
}

func (r *rules) setReadOnly(on bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.readOnly = on
}

// release lets calls go on that are delayed.
func (r *rules) release() {
	close(r.end)
}

func (r *rule) matches(op, name string) bool {
	if r.Op != op && !(r.Op == "*" && changing[op]) {
		return false
	}
	if !strings.Contains(r.Path, "/") {
		name = path.Base(name)
	}
	ok, _ := path.Match(r.Path, name)
	return ok
}

// due counts a match, and says whether the rule is to be used for it.
func (r *rule) due() bool {
	if r.Times > 0 && r.fired >= r.Times {
		return false
	}
	r.seen++
	if r.Nth > 0 && r.seen != r.Nth {
		return false
	}
	if r.Every > 0 && r.seen%r.Every != 0 {
		return false
	}
	r.fired++
	return true
}

type verdict struct {
	errno syscall.Errno
	short int
}

// judge uses the rules for one call in one phase. op is the number of the change in the phase "after".
func (r *rules) judge(ctx context.Context, phase, op, name string, number uint64) verdict {
	var result verdict
	r.lock.Lock()
	if r.readOnly && phase == "before" && changing[op] && op != "fsync" && op != "fdatasync" && op != "fsyncdir" {
		result.errno = syscall.EROFS
	}
	var delay int
	var kills []string
	var events []any
	for _, one := range r.all {
		if one.Phase != phase || !one.matches(op, name) || !one.due() {
			continue
		}
		events = append(events, map[string]any{"event": "fired", "number": one.number, "op": op, "path": name, "at": number})
		if one.errno != 0 {
			result.errno = one.errno
		}
		if one.Short > 0 {
			result.short = one.Short
		}
		delay += one.Delay
		if one.Kill != "" {
			kills = append(kills, one.Kill)
		}
	}
	r.lock.Unlock()
	for _, event := range events {
		say(event)
	}
	if delay > 0 {
		select {
		case <-time.After(time.Duration(delay) * time.Millisecond):
		case <-r.end:
		}
	}
	for _, who := range kills {
		if pid := processOf(ctx, who); pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if phase == "before" {
			result.errno = syscall.EINTR
		}
	}
	return result
}

// processOf finds the process of a thread that called.
func processOf(ctx context.Context, who string) int {
	if who != "caller" {
		pid, _ := strconv.Atoi(who)
		return pid
	}
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", caller.Pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if text, found := strings.CutPrefix(line, "Tgid:"); found {
			pid, _ := strconv.Atoi(strings.TrimSpace(text))
			return pid
		}
	}
	return 0
}
