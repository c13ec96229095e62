package cgroup

import (
	"testing"
	"testing/fstest"
)

func TestOOMKills(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		want int
	}{
		"v2":                   {fstest.MapFS{"proc/self/cgroup": file("0::/ecs/x\n"), "sys/fs/cgroup/ecs/x/memory.events": file("low 0\noom 3\noom_kill 2\n")}, 2},
		"v2, seen as the root": {fstest.MapFS{"proc/self/cgroup": file("0::/ecs/x\n"), "sys/fs/cgroup/memory.events": file("oom_kill 1\n")}, 1},
		"v1": {fstest.MapFS{"proc/self/cgroup": file("5:cpu,cpuacct:/ecs\n4:memory:/ecs\n"),
			"sys/fs/cgroup/memory/ecs/memory.oom_control": file("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")}, 4},
		"nothing": {fstest.MapFS{}, 0},
		"garbage": {fstest.MapFS{"proc/self/cgroup": file("what\n0::/\n"), "sys/fs/cgroup/memory.events": file("oom_kill many\n")}, 0},
	} {
		if got := OOMKills(c.root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
