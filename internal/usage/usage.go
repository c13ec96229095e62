// Package usage says what processes use: CPU time, memory and open descriptors. It reads /proc
// when it is asked, and nothing runs in between. It does not know whose processes they are.
package usage

import (
	"os"
	"sync"

	"github.com/prometheus/procfs"
)

// Group is a process group: all processes whose group leader is or was PID. Self is this process
// alone, whatever its group is.
type Group struct {
	Name string
	PID  int
	Self bool
}

// Usage is what a group uses now.
type Usage struct {
	Name      string
	Processes int
	// CPU is in seconds, since the group's first process began, with what processes used that
	// have ended and were waited for by one of the group. It never falls while the group is the
	// same.
	CPU float64
	// Memory is the resident set in bytes. A page that several processes share counts for each.
	Memory int64
	// Files is the number of open descriptors; -1: the kernel does not tell, as it does not of
	// another user's process.
	Files int
}

// hertz is the unit of times in /proc/PID/stat, the same on every platform that we build for.
const hertz = 100

// Reader reads usages. Make one for a life; the zero value is ready. Safe for concurrent use.
type Reader struct {
	mu   sync.Mutex
	most map[Group]float64 // CPU, as it was told last
}

// Read is the usage of each group that has a process, in the groups' order. An error says that
// /proc cannot be read at all.
func (r *Reader) Read(groups []Group) ([]Usage, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	found := make([]Usage, len(groups))
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil || stat.State == "Z" || stat.State == "X" {
			continue // it has ended
		}
		for i, g := range groups {
			if g.Self && p.PID == os.Getpid() || !g.Self && stat.PGRP == g.PID {
				found[i].add(g, p, stat)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := map[Group]float64{}
	var out []Usage
	for i, u := range found {
		if u.Processes > 0 {
			u.Name, u.CPU = groups[i].Name, max(u.CPU, r.most[groups[i]])
			now[groups[i]] = u.CPU
			out = append(out, u)
		}
	}
	r.most = now
	return out, nil
}

// add counts one process in.
func (u *Usage) add(g Group, p procfs.Proc, stat procfs.ProcStat) {
	u.Processes++
	u.CPU += float64(stat.UTime+stat.STime) / hertz
	if !g.Self { // our children are groups of their own
		u.CPU += float64(stat.CUTime+stat.CSTime) / hertz
	}
	u.Memory += int64(stat.ResidentMemory())
	n, err := p.FileDescriptorsLen()
	if err != nil || u.Files < 0 {
		u.Files = -1
		return
	}
	u.Files += n
}
