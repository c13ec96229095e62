package cgroup

import (
	"testing"
	"testing/fstest"
)

func TestMemory(t *testing.T) {
	const v2, v1 = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"
	files := func(kv ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
		}
		return m
	}
	for name, c := range map[string]struct {
		root        fstest.MapFS
		used, limit int64
		ok          bool
	}{
		"none":                 {files(), 0, 0, false},
		"v2":                   {files("proc/self/cgroup", "0::/ecs/x\n", v2+"ecs/x/memory.current", "500\n", v2+"ecs/x/memory.max", "1000\n", v2+"ecs/x/memory.stat", "anon 1\ninactive_file 120\n"), 380, 1000, true},
		"v2, seen as the root": {files("proc/self/cgroup", "0::/ecs/x\n", v2+"memory.current", "500\n", v2+"memory.max", "1000\n"), 500, 1000, true},
		"v2 without a limit":   {files("proc/self/cgroup", "0::/\n", v2+"memory.current", "500\n", v2+"memory.max", "max\n"), 500, 0, false},
		"v1":                   {files("proc/self/cgroup", "4:memory:/ecs\n0::/\n", v1+"ecs/memory.usage_in_bytes", "500\n", v1+"ecs/memory.limit_in_bytes", "800\n", v1+"ecs/memory.stat", "inactive_file 7\ntotal_inactive_file 100\n"), 400, 800, true},
		"v1 without a limit":   {files("proc/self/cgroup", "4:memory:/\n", v1+"memory.usage_in_bytes", "500\n", v1+"memory.limit_in_bytes", "9223372036854771712\n"), 500, 9223372036854771712, false},
		"nonsense":             {files("proc/self/cgroup", "x\n0::/\n", v2+"memory.current", "many\n"), 0, 0, false},
	} {
		used, limit, ok := Memory(c.root)
		if used != c.used || limit != c.limit || ok != c.ok {
			t.Errorf("%s: %d of %d, %v; want %d of %d, %v", name, used, limit, ok, c.used, c.limit, c.ok)
		}
	}
}
