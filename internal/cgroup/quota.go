package cgroup

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Quota reads the CPU quota of our cgroup, version 2 or 1, in CPUs; 0 = none.
// root is the root of the file system (os.DirFS("/"), or Root). Of the cgroups above ours
// the narrowest counts.
func Quota(root fs.FS) (cpus float64) {
	narrow := func(quota float64) {
		if quota > 0 && (cpus == 0 || quota < cpus) {
			cpus = quota
		}
	}
	membership, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(membership)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			switch {
			case parts[1] == "":
				text, _ := fs.ReadFile(root, path.Join("sys/fs/cgroup", dir, "cpu.max"))
				narrow(quotaV2(string(text)))
			case hasController(parts[1], "cpu"):
				base := path.Join("sys/fs/cgroup", parts[1], dir)
				quota, _ := fs.ReadFile(root, base+"/cpu.cfs_quota_us")
				period, _ := fs.ReadFile(root, base+"/cpu.cfs_period_us")
				narrow(ratio(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period))))
			}
			if dir == "/" {
				break
			}
		}
	}
	return cpus
}

// quotaV2 reads cpu.max: "150000 100000", or "max 100000" for no quota.
func quotaV2(text string) float64 {
	quota, period, _ := strings.Cut(strings.TrimSpace(text), " ")
	return ratio(quota, period)
}

func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

func hasController(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}
