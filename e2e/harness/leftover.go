package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
