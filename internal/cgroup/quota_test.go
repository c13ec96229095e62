package cgroup

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestQuota(t *testing.T) {
	files := func(kv ...string) fs.FS {
		m := fstest.MapFS{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
		}
		return m
	}
	const v2, v1 = "sys/fs/cgroup/", "sys/fs/cgroup/cpu,cpuacct/"
	for name, c := range map[string]struct {
		root fs.FS
		want float64
	}{
		"none":                     {files(), 0},
		"v2 in a cgroup namespace": {files("proc/self/cgroup", "0::/\n", v2+"cpu.max", "150000 100000\n"), 1.5},
		"v2 max":                   {files("proc/self/cgroup", "0::/\n", v2+"cpu.max", "max 100000\n"), 0},
		"v2 parents":               {files("proc/self/cgroup", "0::/a/b\n", v2+"a/b/cpu.max", "max 100000", v2+"a/cpu.max", "50000 100000", v2+"cpu.max", "400000 100000"), 0.5},
		"v1":                       {files("proc/self/cgroup", "4:cpu,cpuacct:/ecs/t/c\n3:memory:/x\n", v1+"ecs/t/c/cpu.cfs_quota_us", "200000\n", v1+"ecs/t/c/cpu.cfs_period_us", "100000\n"), 2},
		"v1 none":                  {files("proc/self/cgroup", "4:cpu,cpuacct:/\n", v1+"cpu.cfs_quota_us", "-1\n", v1+"cpu.cfs_period_us", "100000\n"), 0},
		"v1 at the top":            {files("proc/self/cgroup", "4:cpu,cpuacct:/docker/x\n", v1+"cpu.cfs_quota_us", "50000\n", v1+"cpu.cfs_period_us", "100000\n"), 0.5},
		"nonsense":                 {files("proc/self/cgroup", "x\n0::/\n", v2+"cpu.max", "1\n"), 0},
	} {
		if got := Quota(c.root); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
