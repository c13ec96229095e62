package event

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// all is one event of each type, every field set.
func all() []Event {
	return []Event{
		Start{}, Ready{}, Stop{}, Stop{Moot: true}, Ended{Err: "e"}, Killed{Name: "app", PID: 3, Process: "sleep (pid 4)", When: "at once"},
		Exec{Name: "app", PID: 3}, Exit{Name: "app", PID: 3, Status: 137, Signal: "SIGKILL", PeakBytes: 1 << 40},
		Restart{Reason: "it ended", N: 2, Max: 5, After: 200 * time.Millisecond, How: "exited with 1", Signal: "SIGSEGV", Said: "s"}, Serving{}, Hung{Err: "no answer"}, Answers{}, Suspended{Signal: "SIGTTIN", PID: 3, Fix: "f"}, Resumed{}, OutOfMemory{Process: "app", Kills: 1},
		Joined{Agent: "127.0.0.1:8500"}, Registered{}, Listener{Address: ":20000"}, Passing{}, Critical{Reason: "r"}, AppHealthy{}, AppUnhealthy{Reason: "r"}, Removed{},
		Drained{Start: 3, End: 1, Ms: 1.5, Protocol: "http", Why: "maximum"}, Deregistered{Result: "verified"}, Left{Result: "unverified", Reason: "r", Ms: 2.5},
		Renewed{Accessor: "a"}, Lease{Name: "web"}, LeasesKept{Names: "a b"}, LeaseEnded{Name: "web", Code: 3}, LeaseLost{Name: "web"}, LeaseRefused{Name: "web", Reason: "r"}, LeaseForgotten{Name: "web"},
		Waiting{Code: ConsulNoLeader, What: "a leader", Err: "e", Fix: "f", Facts: Facts{"address": "x"}, Since: 5 * time.Second, Said: 1}, WaitOver{},
		Shutdown{Cause: "TERM"}, StopReason{Code: StoppedByContainer, Facts: Facts{"container": "x"}}, Finish{Cause: "TERM", Code: 204, Unit: "envoy", Why: XDSEnded, Facts: Facts{"address": "x"}},
	}
}

func TestWordsAreReadBack(t *testing.T) {
	names := map[string]bool{}
	for _, e := range all() {
		name, detail, data := Words(e)
		got, err := Parse(name, detail, data)
		if err != nil {
			t.Fatalf("%T: %v", e, err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("%T: %s", e, diff)
		}
		key := name
		if name == step {
			key += " " + detail
		}
		if _, moot := e.(Stop); names[key] && !moot {
			t.Errorf("%q is the word of two events", key)
		}
		names[key] = true
	}
}

func TestWordsOfAStrangerAreRefused(t *testing.T) {
	for _, words := range [][3]string{{"order.created", "", ""}, {"step", "paid", ""}, {"exit", "x", `{"code":"a"}`}, {"step", "drained", `[]`}} {
		if e, err := Parse(words[0], words[1], []byte(words[2])); err == nil {
			t.Errorf("%q was taken for %#v", words, e)
		}
	}
}

func TestACauseIsFoundInAChain(t *testing.T) {
	inner := errors.New("connection refused")
	err := fmt.Errorf("start: %w", Because(ConsulUnreachable, inner, "address", "127.0.0.1:8500"))
	c := CauseOf(err)
	if c == nil || c.Code != ConsulUnreachable || c.Facts["address"] != "127.0.0.1:8500" || !errors.Is(err, inner) {
		t.Fatalf("got %#v", c)
	}
	if c.Code.Exit() != 202 {
		t.Errorf("exit %d", c.Code.Exit())
	}
	if CauseOf(inner) != nil {
		t.Error("an error without a code has a cause")
	}
}

// Or and WaitingFor keep the code that an error has; it says more than the caller's.
func TestTheErrorsOwnCodeWins(t *testing.T) {
	plain := errors.New("refused")
	coded := Because(ConsulACL, plain, "token", "agent")
	for _, c := range []struct {
		err  error
		want Code
	}{{plain, Register}, {coded, ConsulACL}, {fmt.Errorf("register: %w", coded), ConsulACL}} {
		if got := CauseOf(Or(Register, c.err)); got == nil || got.Code != c.want {
			t.Errorf("Or(%v) has %+v, want %s", c.err, got, c.want)
		}
		w := WaitingFor(Register, "the agent", c.err, "ask again")
		if w.Code != c.want || w.What != "the agent" || w.Err != c.err.Error() || w.Fix != "ask again" {
			t.Errorf("WaitingFor(%v) is %+v, want code %s", c.err, w, c.want)
		}
		if has := w.Facts["token"] == "agent"; has != (c.want == ConsulACL) {
			t.Errorf("WaitingFor(%v) has facts %v", c.err, w.Facts)
		}
	}
}
