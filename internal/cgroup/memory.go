package cgroup

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// unlimited is from where on a limit is none: version 1 has a number of pages for it.
const unlimited = 1 << 60

// Memory reads how much memory our cgroup uses that cannot be given back, and its limit,
// version 2 or 1, in bytes. ok is false where it has no limit, or nothing can be read. root is
// the root of the file system (Root).
func Memory(root fs.FS) (used, limit int64, ok bool) {
	membership, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(membership)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		files := memoryFiles{}
		switch {
		case parts[1] == "":
			files = memoryFiles{"sys/fs/cgroup", "memory.current", "memory.max", "inactive_file"}
		case hasController(parts[1], "memory"):
			files = memoryFiles{"sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"}
		default:
			continue
		}
		for _, dir := range []string{parts[2], "/"} {
			if used, limit, ok := files.read(root, dir); ok {
				return used, limit, limit > 0 && limit < unlimited
			}
		}
	}
	return 0, 0, false
}

// memoryFiles are where one version of cgroups has it. The page cache that is not in use is
// given back before anything is killed.
type memoryFiles struct{ base, used, limit, inactive string }

func (f memoryFiles) read(root fs.FS, dir string) (used, limit int64, ok bool) {
	used, ok = number(root, path.Join(f.base, dir, f.used))
	if !ok {
		return 0, 0, false
	}
	limit, limited := number(root, path.Join(f.base, dir, f.limit)) // "max" is no number
	if !limited {
		return used, 0, true
	}
	stat, _ := fs.ReadFile(root, path.Join(f.base, dir, "memory.stat"))
	for line := range strings.Lines(string(stat)) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == f.inactive {
			n, _ := strconv.ParseInt(value, 10, 64)
			used = max(0, used-n)
		}
	}
	return used, limit, true
}

func number(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
