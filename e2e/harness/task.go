package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// TaskConfig says how to start a meshtask task.
type TaskConfig struct {
	Name   string         // of the process and of its log
	Binary string         // "" is Meshtask(t)
	Config map[string]any // the JSON document; envoy and consul commands are filled in
	Args   []string       // none is run; else the whole line after the program, without CMD
	CMD    []string       // the app, after --
	Env    []string       // added to a clean environment
	Dir    string         // state directory; "" is a new one
	// Terminal gives it a terminal of its own, as leader of a session: see Process.Keys.
	Terminal bool
	User     uint32 // and group, for a test that runs as root; 0 is ours
}

// Task is one running meshtask.
type Task struct {
	*Process
	Dir string
}

// Entry is a line of timeline.jsonl as the contract has it.
type Entry struct {
	At     time.Time      `json:"at"`
	Ms     float64        `json:"ms"`
	Way    string         `json:"way"`
	Mark   string         `json:"mark"`
	Unit   string         `json:"unit"`
	Event  string         `json:"event"`
	Detail string         `json:"detail"`
	Data   map[string]any `json:"data"`
}

// Summary is summary.json as the contract has it.
type Summary struct {
	Exit   int    `json:"exit"`
	Reason string `json:"reason"`
	Marks  struct {
		Up   map[string]float64 `json:"up"`
		Down map[string]float64 `json:"down"`
	} `json:"marks"`
	Restarts map[string]int `json:"restarts"`
	Drain    struct {
		Start int     `json:"start"`
		End   int     `json:"end"`
		Ms    float64 `json:"ms"`
	} `json:"drain"`
	Deregistered string           `json:"deregistered"`
	Left         string           `json:"left"`
	Killed       []string         `json:"killed"`
	PeakBytes    map[string]int64 `json:"peak_bytes"`
	OOM          string           `json:"oom"`
}

// Forced lists what was killed, without the agent and Envoy: they have some seconds to end, which
// other tests may not leave them. What is promised of them is in Left, Deregistered and Drain.
func (s Summary) Forced() []string {
	return slices.DeleteFunc(slices.Clone(s.Killed), func(unit string) bool { return unit == "consul-agent" || unit == "envoy" })
}

// TaskDocument is the smallest configuration of a task that shares the machine with
// others: an address of its own, a server to join.
func TaskDocument(address, id, service string, port int, server *Server) map[string]any {
	doc := map[string]any{
		"task":        map[string]any{"id": id, "family": service, "cluster": "local", "address": address},
		"service":     map[string]any{"name": service, "port": port},
		"consulAgent": map[string]any{"retryJoin": []string{server.Address}},
	}
	if port == 0 {
		delete(doc["service"].(map[string]any), "port")
	}
	return doc
}

// Agentless makes a document that of a task without a client agent.
func Agentless(doc map[string]any, servers ...*Server) {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.Address)
	}
	delete(doc, "consulAgent")
	doc["consulServers"] = map[string]any{"hosts": hosts, "http": map[string]any{"https": false, "port": 8500}, "grpc": map[string]any{"tls": false, "port": 8502}}
}

// StartTask starts a task; it does not wait for anything.
func StartTask(t T, cfg TaskConfig) *Task {
	t.Helper()
	if cfg.Binary == "" {
		cfg.Binary = Meshtask(t)
	}
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "state")
	}
	argv := append([]string{cfg.Binary}, cfg.Args...)
	if len(cfg.Args) == 0 {
		argv = append(argv, "run")
	}
	if cfg.Config != nil {
		argv = append(argv, "--config", WriteConfig(t, cfg.Config))
	}
	argv = append(argv, "--dir", cfg.Dir)
	if len(cfg.CMD) > 0 {
		argv = append(append(argv, "--"), cfg.CMD...)
	}
	path := filepath.Dir(Consul(t)) + ":" + filepath.Dir(Envoy(t)) + ":" + os.Getenv("PATH")
	attr := &syscall.SysProcAttr{Setsid: cfg.Terminal, Setctty: cfg.Terminal}
	if cfg.User != 0 {
		attr.Credential = &syscall.Credential{Uid: cfg.User, Gid: cfg.User}
	}
	return &Task{Dir: cfg.Dir, Process: start(t, cfg.Name, argv, environment(append([]string{"PATH=" + path}, cfg.Env...)...), attr)}
}

// WriteConfig writes a config document and returns its file.
func WriteConfig(t T, doc map[string]any) string {
	t.Helper()
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatalf("task config: %v", err)
	}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatalf("cannot write the task config: %v", err)
	}
	return file
}

// Timeline returns what the task has recorded so far; nothing yet is no error.
func (k *Task) Timeline() ([]Entry, error) {
	b, err := os.ReadFile(filepath.Join(k.Dir, "timeline.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("timeline: %w", err)
	}
	var out []Entry
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			break // the last line may be half written
		}
		out = append(out, e)
	}
	return out, nil
}

// Find returns the first entry of that way, unit, event and detail (or mark); ""
// is any. Marks are unit "task", event "mark".
func Find(entries []Entry, way, unit, event, detail string) (Entry, bool) {
	for _, e := range entries {
		if (way == "" || e.Way == way) && (unit == "" || e.Unit == unit) && e.Event == event &&
			(detail == "" || e.Detail == detail || e.Mark == detail) {
			return e, true
		}
	}
	return Entry{}, false
}

// Await waits for an entry, and fails at once when the task has ended without.
func (k *Task) Await(t T, limit time.Duration, way, unit, event, detail string) Entry {
	t.Helper()
	var found Entry
	what := strings.Join([]string{k.Name, way, unit, event, detail}, " ")
	err := Poll(t.Context(), limit, func() error {
		ended := false
		select {
		case <-k.Done():
			ended = true
		default:
		}
		entries, err := k.Timeline()
		if err != nil {
			return err
		}
		var ok bool
		if found, ok = Find(entries, way, unit, event, detail); ok {
			return nil
		}
		if ended {
			t.Fatalf("%s: the task has ended without it:\n%s", what, k.Tail(30))
		}
		return fmt.Errorf("%d entries and not this one", len(entries))
	})
	if err != nil {
		t.Fatalf("%s: not within %v: %v\n%s", what, limit, err, k.Tail(30))
	}
	return found
}

// Mark waits for T0, T1 or T2 of the way up (or T0 to T4 down).
func (k *Task) Mark(t T, limit time.Duration, way, mark string) Entry {
	t.Helper()
	return k.Await(t, limit, way, "task", "mark", mark)
}

// Summary reads summary.json; call it once the task has ended.
func (k *Task) Summary(t T) Summary {
	t.Helper()
	var s Summary
	b, err := os.ReadFile(filepath.Join(k.Dir, "summary.json"))
	if err != nil {
		t.Fatalf("summary of %s: %v", k.Name, err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("summary of %s: %v in %s", k.Name, err, b)
	}
	return s
}
