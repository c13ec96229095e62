package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Processes lists the living processes whose command line names
// any of words, as "pid command": a task's state directory or address finds its
// agent, its Envoy and its app, whatever their parent is by now.
func Processes(words ...string) []string {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a good one
	var out []string
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 || filepath.Base(dir) == fmt.Sprint(os.Getpid()) {
			continue // gone by now, or a zombie
		}
		if dying(dir) {
			continue
		}
		text := string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		for _, word := range words {
			if strings.Contains(text, word) {
				out = append(out, filepath.Base(dir)+" "+text)
				break
			}
		}
	}
	return out
}

// dying says whether the kernel takes a process apart, which may last seconds on a busy machine:
// PF_EXITING of include/linux/sched.h, in the seventh field behind the name.
func dying(dir string) bool {
	stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 7 {
		return true // gone by now
	}
	flags, _ := strconv.ParseUint(fields[6], 10, 64)
	return flags&0x4 != 0
}
