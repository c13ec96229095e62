package inspect

import (
	"strings"
	"testing"

	"meshtask/internal/event"
)

// What is no task's is said to be none, with what was looked at.
func TestFilesOfNoTask(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "it is empty",
		"hello\nworld\n":         "(2 lines read)",
		"\x00\xff\x01{\"event\"": "no line of a task",
		`{"v":1,"at":"2026-11-30T01:00:00Z","ms":1,"way":"up","unit":"app","event":"sta`: "no line of a task",
		`{"unit":"app","event":"order.created"}`:                                         "1 line looked like meshtask's record",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A record that is cut off counts as far as it goes, also in the middle of a line.
func TestHalfARecord(t *testing.T) {
	const half = `{"v":1,"at":"2026-11-30T01:00:00Z","ms":1,"way":"up","mark":"T0","unit":"consul-agent","event":"start"}
{"v":1,"at":"2026-11-30T01:00:05Z","ms":5000,"way":"up","mark":"T0","unit":"consul-agent","event":"waiting","detail":"the agent to join","data":{"code":"consul-name","facts":{"name":"consul.internal"},"said":1}}
{"v":1,"at":"2026-11-30T01:00:07Z","ms":70`
	record, err := Read(strings.NewReader(half))
	if err != nil {
		t.Fatal(err)
	}
	got := Explain(record)
	if got.Code != event.ConsulName || !strings.Contains(got.State, "ends without an exit") || !strings.Contains(got.Cause, "consul.internal") {
		t.Errorf("%+v", got)
	}
}
