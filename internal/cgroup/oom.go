// Package cgroup reads what the kernel did to our control group.
package cgroup

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// OOMKills counts the processes of our cgroup that the kernel killed for want
// of memory, version 2 or 1; 0 where nothing can be read. root is the root of
// the file system (Root). In a container the cgroup is usually seen as
// the root itself, so that is tried after the one we are named in.
func OOMKills(root fs.FS) int {
	membership, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(membership)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "", ""
		switch {
		case parts[1] == "":
			base, file = "sys/fs/cgroup", "memory.events"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			base, file = "sys/fs/cgroup/memory", "memory.oom_control"
		default:
			continue
		}
		for _, dir := range []string{parts[2], "/"} {
			if n, ok := count(root, path.Join(base, dir, file)); ok {
				return n
			}
		}
	}
	return 0
}

func count(root fs.FS, name string) (int, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == "oom_kill" {
			n, err := strconv.Atoi(value)
			return n, err == nil
		}
	}
	return 0, false
}
