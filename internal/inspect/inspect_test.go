package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/statedir"
	"meshtask/internal/task"
)

// A directory of a stranger's is passed over and named; that nobody answers is said of the first.
func TestPlaces(t *testing.T) {
	strange, gone := &statedir.StrangeError{Path: "/b", Why: "is a stranger's"}, errors.New("nothing there")
	var passed, tried []string
	p := Places{Dirs: []string{"/a", "/b", "/c", "/d"}, Passed: func(s *statedir.StrangeError) { passed = append(passed, s.Path) }}
	answers := map[string]error{"/a": gone, "/b": strange, "/c": nil}
	try := func(dir string) error { tried = append(tried, dir); return answers[dir] }
	if err := p.each(try); err != nil || !slices.Equal(passed, []string{"/b"}) || !slices.Equal(tried, []string{"/a", "/b", "/c"}) {
		t.Errorf("%v, passed over %q, tried %q", err, passed, tried)
	}
	answers["/c"], answers["/d"] = errors.New("other"), errors.New("other")
	if err := p.each(try); err != gone {
		t.Errorf("%v, want the first directory's", err)
	}
	passed, p.Dirs = nil, []string{"/b"}
	if err := p.each(try); err != strange || passed != nil {
		t.Errorf("the only place is an error, and not passed over: %v, %q", err, passed)
	}
}

// What a task said at its end counts before what its record lets one guess, and only once it
// has ended.
func TestATaskThatIsGoneIsAskedByItsSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	p := Places{Dirs: []string{path}}
	if _, err := p.Why(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no task at all: %v", err)
	}
	dir, err := statedir.Open(p.Dirs, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	task.Refused(dir, time.Now(), event.Because(event.ConfigBad, fmt.Errorf("service.port: must be 1–65535, got 0")), 200)
	if _, held, err := p.Record(); err != nil || !held {
		t.Errorf("held %v, %v", held, err)
	}
	_ = dir.Close()
	record, held, err := p.Record()
	if err != nil || held || record.Why == nil {
		t.Fatalf("%+v, held %v, %v", record, held, err)
	}
	answer, err := p.Why()
	if err != nil || answer.Cause != record.Why.Cause || !strings.Contains(answer.Cause, "service.port") {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, _, err := p.Health(); err == nil {
		t.Error("a task that is gone is healthy or not")
	}
	if _, err := Read(strings.NewReader("hello\n")); err == nil || !strings.Contains(err.Error(), "no line of a task") {
		t.Errorf("%v", err)
	}
}
