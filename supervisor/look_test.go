package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// commands fills a directory with what cannot be executed, and one that can.
func commands(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"good":          {"#!/bin/sh\nexit 0\n", 0o755},
		"plain":         {"#!/bin/sh\n", 0o644},
		"badshebang":    {"#!/no/such/interpreter\n", 0o755},
		"noshebang":     {"exit 0\n", 0o755},
		"first/good":    {"", 0o644},
		"second/good":   {"#!/bin/sh\nexit 0\n", 0o755},
		"notexec/plain": {"", 0o600},
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is relative is meant in the directory in which the process will run.
func TestLookIn(t *testing.T) {
	dir := commands(t)
	t.Chdir(filepath.Dir(dir))
	base := filepath.Base(dir)
	for _, tt := range []struct{ dir, name, path, want, says string }{
		{base, "./good", "", "./good", ""},
		{dir, "./good", "", "./good", ""},
		{base, "second/good", "", "second/good", ""},
		{base, "good", ":/no/such/dir", "./good", ""},
		{base, "good", "second", "second/good", ""},
		{"/no/such/dir", filepath.Join(dir, "good"), "", filepath.Join(dir, "good"), ""},
		{base, filepath.Join(base, "good"), "", "", "(in " + base + ")"},
		{"", "./good", "", "", "./good: no such file"},
		{base, "./plain", "", "", "denied (in " + base + ")"},
	} {
		got, err := LookIn(tt.dir, tt.name, tt.path)
		if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("LookIn(%q, %q, %q) = %q, %v; want %q, %q", tt.dir, tt.name, tt.path, got, err, tt.want, tt.says)
		}
	}
}

func TestLook(t *testing.T) {
	dir := commands(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	t.Chdir(dir)
	for _, tt := range []struct {
		name, path string
		want       string
		status     int
		says       string
	}{
		{"good", dir, in("good"), 0, ""},
		{"good", in("first") + ":" + in("second"), in("second/good"), 0, ""},
		{"good", "/no/such/dir:" + dir, in("good"), 0, ""},
		{"good", ":/no/such/dir", "./good", 0, ""},
		{in("good"), "", in("good"), 0, ""},
		{"./good", "", "./good", 0, ""},
		{"missing", dir + ":/bin", "", 127, "PATH is " + dir + ":/bin"},
		{"missing", "", "", 127, "PATH is empty"},
		{"", dir, "", 127, ""},
		{"./missing", "", "", 127, "./missing"},
		{in("good/x"), "", "", 127, "not a directory"},
		{"plain", in("notexec") + ":/bin", "", 126, "not executable"},
		{"first", dir, "", 126, "directory"},
		{"./first", "", "", 126, "directory"},
		{in("plain"), "", "", 126, "not executable"},
	} {
		got, err := Look(tt.name, tt.path)
		if got != tt.want {
			t.Errorf("Look(%q, %q) = %q, want %q", tt.name, tt.path, got, tt.want)
		}
		if tt.status == 0 {
			if err != nil {
				t.Errorf("Look(%q, %q): %v", tt.name, tt.path, err)
			}
			continue
		}
		le, ok := errors.AsType[*LookError](err)
		if !ok || le.Code().Exit() != tt.status || !strings.Contains(le.Error(), tt.says) {
			t.Errorf("Look(%q, %q): %v, want status %d and %q", tt.name, tt.path, err, tt.status, tt.says)
		}
	}
}

func TestStartErrors(t *testing.T) {
	s := start(t)
	dir := commands(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	before := openFiles(t)
	for _, tt := range []struct {
		spec   Spec
		status int
		says   string
	}{
		{Spec{Argv: []string{in("missing")}}, 127, "no such file"},
		{Spec{Argv: []string{in("good/x")}}, 127, "not a directory"},
		{Spec{Argv: []string{in("badshebang")}}, 127, "interpreter does not"},
		{Spec{Argv: []string{dir}}, 126, "it is a directory"},
		{Spec{Argv: []string{in("plain")}}, 126, "permission denied"},
		{Spec{Argv: []string{in("noshebang")}}, 126, "no #! line"},
		{Spec{Argv: []string{in("good")}, Dir: in("nodir")}, 126, "the working directory: stat " + in("nodir")},
		{Spec{Argv: []string{in("good")}, Dir: in("plain")}, 126, "is not a directory"},
		{Spec{Argv: []string{"./badshebang"}, Dir: dir}, 127, "interpreter does not"},
		{Spec{}, 126, "there is no command"},
		{Spec{Argv: []string{""}}, 126, "there is no command"},
		{Spec{Argv: []string{in("good"), "a\x00b"}}, 126, "invalid argument"},
	} {
		tt.spec.Name, tt.spec.Lines = "app", func(int, []byte) {}
		_, err := s.Start(tt.spec)
		se, ok := errors.AsType[*StartError](err)
		if !ok || se.Code().Exit() != tt.status || !strings.Contains(se.Error(), tt.says) || !strings.HasPrefix(se.Error(), "start app: ") {
			t.Errorf("%v: got %v, want status %d and %q", tt.spec.Argv, err, tt.status, tt.says)
		}
	}
	if after := openFiles(t); after > before { // an earlier test's may be closed only now
		t.Errorf("%d descriptors were open, now %d", before, after)
	}
	if pids := children(); len(pids) != 0 {
		t.Errorf("children are left: %v", pids)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
