package harness

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// The bucket of the ECS agent's task metadata endpoint, for each path.
const (
	bucketRate  = 40.0
	bucketBurst = 60.0
)

// Endpoint is a task metadata endpoint that behaves as the ECS agent's does:
// 429 in plain text over its bucket, errors as bare JSON strings, containers in
// random order, and none that is not pulled yet.
type Endpoint struct {
	URI string // for ECS_CONTAINER_METADATA_URI_V4

	mu         sync.Mutex
	task       map[string]any
	containers map[string]map[string]any
	own        string
	fail       int // status of every answer; 0: none fails
	tokens     map[string]float64
	filled     map[string]time.Time
	calls      map[string]int
}

// StartEndpoint serves a task whose own container is called own.
func StartEndpoint(t T, id, family, address, own string) *Endpoint {
	t.Helper()
	arn := "arn:aws:ecs:us-east-1:123456789012:"
	e := &Endpoint{own: own, containers: map[string]map[string]any{}, tokens: map[string]float64{}, filled: map[string]time.Time{}, calls: map[string]int{},
		task: map[string]any{"Cluster": arn + "cluster/test", "TaskARN": arn + "task/test/" + id, "Family": family, "Revision": "1",
			"DesiredStatus": "RUNNING", "KnownStatus": "RUNNING"}}
	e.Set(own, "", map[string]any{"Networks": []any{map[string]any{"NetworkMode": "awsvpc", "IPv4Addresses": []string{address}}}})
	s := httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(s.Close)
	e.URI = s.URL + "/v4/" + id
	return e
}

// Set lists a container, with the health word given: "" is no health check,
// "UNKNOWN" is the empty object that the agent sends for it. more are members.
func (e *Endpoint) Set(name, health string, more map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := map[string]any{"DockerId": name + "-1", "Name": name, "Type": "NORMAL", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING", "Limits": map[string]any{"CPU": 2}}
	switch health {
	case "":
	case "UNKNOWN":
		c["Health"] = map[string]any{}
	default:
		c["Health"] = map[string]any{"status": health, "statusSince": time.Now().Format(time.RFC3339Nano)}
	}
	maps.Copy(c, more)
	e.containers[name] = c
}

// Task sets members of the task, such as its DesiredStatus.
func (e *Endpoint) Task(members map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.Copy(e.task, members)
}

// Remove takes a container from the list.
func (e *Endpoint) Remove(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.containers, name)
}

// Fail answers everything with this status from now on; 0 ends it.
func (e *Endpoint) Fail(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = status
}

// Calls counts the requests so far.
func (e *Endpoint) Calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, c := range e.calls {
		n += c
	}
	return n
}

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[r.URL.Path]++
	if !e.take(r.URL.Path) || e.fail == http.StatusTooManyRequests {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte("You have reached maximum request limit."))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if e.fail != 0 {
		w.WriteHeader(e.fail)
		_, _ = w.Write([]byte(`"failed to get the task"`))
		return
	}
	if r.URL.Path != e.path()+"/task" {
		_ = json.NewEncoder(w).Encode(e.containers[e.own])
		return
	}
	list := make([]map[string]any, 0, len(e.containers))
	for _, c := range e.containers {
		list = append(list, c)
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	e.task["Containers"] = list
	_ = json.NewEncoder(w).Encode(e.task)
}

func (e *Endpoint) path() string {
	arn := e.task["TaskARN"].(string)
	return "/v4/" + arn[strings.LastIndexByte(arn, '/')+1:]
}

// take takes one token of the path's bucket.
func (e *Endpoint) take(path string) bool {
	now := time.Now()
	if _, ok := e.filled[path]; !ok {
		e.tokens[path] = bucketBurst
	} else {
		e.tokens[path] = min(bucketBurst, e.tokens[path]+now.Sub(e.filled[path]).Seconds()*bucketRate)
	}
	e.filled[path] = now
	if e.tokens[path] < 1 {
		return false
	}
	e.tokens[path]--
	return true
}
