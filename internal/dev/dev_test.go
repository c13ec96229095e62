package dev

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/ecs"
)

func read(t *testing.T, text string) document {
	t.Helper()
	d, err := readDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocumentKeepsWhatIsThere(t *testing.T) {
	d := read(t, `{"service":{"name":"web","tags":["a"]},"consulAgent":null,"log":{"level":"debug"},"app":{"env":{"PORT":"1"}}}`)
	if got := d.Task(); got.Service != "web" || got.Port != 0 {
		t.Errorf("%+v", got)
	}
	got, err := d.Complete(Task{Service: "other", Address: "127.77.0.2", Server: "127.0.0.1", Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"app":{"env":{"PORT":"1"}},"consulAgent":{"retryJoin":["127.0.0.1"]},"log":{"level":"debug"},
		"proxy":{"localServiceAddress":"127.0.0.1"},"service":{"name":"web","port":8080,"tags":["a"]},"task":{"address":"127.77.0.2"}}`
	same(t, want, got)
	if got, err := read(t, "null").Complete(Task{Service: "x"}); err != nil {
		t.Errorf("%s %v", got, err)
	}
	for _, bad := range []string{"{", "[]", `"x"`} {
		if _, err := readDocument([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func same(t *testing.T, want string, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Flags win over the document, which wins over what is made up.
func TestDocumentSet(t *testing.T) {
	d := read(t, `{"service":{"name":"web","port":1,"tags":["a"]},"consulAgent":{"retryJoin":["10.0.0.9","10.0.0.8"]},"task":{"address":"127.9.9.9"}}`)
	d.Set("api", 2)
	if diff := cmp.Diff(Task{Service: "api", Port: 2, Address: "127.9.9.9", Server: "10.0.0.9"}, d.Task()); diff != "" {
		t.Error(diff)
	}
	got, err := d.Complete(d.Task())
	if err != nil {
		t.Fatal(err)
	}
	same(t, `{"app":{"env":{"PORT":"2"}},"consulAgent":{"retryJoin":["10.0.0.9","10.0.0.8"]},"proxy":{"localServiceAddress":"127.0.0.1"},
		"service":{"name":"api","port":2,"tags":["a"]},"task":{"address":"127.9.9.9"}}`, got)
	agent := read(t, `{"consulAgent":{"external":"127.0.0.1:8500"}}`)
	if got, _ := agent.Complete(Task{Service: "x", Server: agent.Task().Server}); strings.Contains(string(got), "retryJoin") {
		t.Errorf("an external agent joins for itself: %s", got)
	}
}

// Without an agent a server is asked instead of joined: the development server at its ports, or
// those that the document names, as it says.
func TestDocumentAgentless(t *testing.T) {
	complete := func(doc string, task Task) []byte {
		t.Helper()
		got, err := read(t, doc).Complete(task)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	mine := Task{Service: "web", Address: "127.77.0.2", Server: "127.0.0.1", Agentless: true}
	const rest = `,"proxy":{"localServiceAddress":"127.0.0.1"},"service":{"name":"web"},"task":{"address":"127.77.0.2"}}`
	same(t, `{"consulServers":{"hosts":"127.0.0.1","http":{"https":false,"port":8500},"grpc":{"tls":false,"port":8502}}`+rest, complete(`{}`, mine))
	same(t, `{"consulServers":{"hosts":"127.0.0.1","http":{"https":false,"port":18500},"grpc":{"tls":false,"port":8502},"warmUp":false}`+rest,
		complete(`{"consulServers":{"hosts":["10.0.0.1"],"http":{"port":18500},"warmUp":false}}`, mine))
	for hosts, first := range map[string]string{`"exec=discover"`: "exec=discover", `["10.0.0.1","10.0.0.2"]`: "10.0.0.1"} {
		d := read(t, `{"consulServers":{"hosts":`+hosts+`}}`)
		named := d.Task()
		if !named.Agentless || named.Server != first {
			t.Errorf("%s: %+v", hosts, named)
		}
		named.Service, named.Address = "web", "127.77.0.2"
		got, err := d.Complete(named)
		if err != nil {
			t.Fatal(err)
		}
		same(t, `{"consulServers":{"hosts":`+hosts+`}`+rest, got)
	}
	if ports := read(t, `{}`).Ports(true); !slices.Equal(ports, []int{20000}) {
		t.Errorf("ports %v", ports)
	}
}

func TestDocumentPorts(t *testing.T) {
	d := read(t, `{"proxy":{"publicListenerPort":21000,"upstreams":[{"localBindPort":9191},{"localBindPort":9192,"localBindAddress":"127.0.0.1"}]}}`)
	if got := d.Ports(false); !slices.Contains(got, 21000) || !slices.Contains(got, 9191) || slices.Contains(got, 9192) || slices.Contains(got, 20000) {
		t.Errorf("%v", got)
	}
}

// Tasks that start at once get addresses of their own, and an address with a
// taken port is passed over, with the reason.
func TestTaskPlace(t *testing.T) {
	var said []string
	passed := func(why string) { said = append(said, why) }
	a, err := taskPlace([]int{20000}, passed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := taskPlace([]int{20000}, passed)
	if err != nil || a.Address == b.Address {
		t.Fatalf("%s twice, %v", a.Address, err)
	}
	address := a.Address
	_, _ = a.Close(), b.Close()
	l, err := net.Listen("tcp", address+":20000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said = nil
	c, err := taskPlace([]int{20000}, passed)
	if err != nil || c.Address == address {
		t.Fatalf("%s, whose port is taken, %v", c.Address, err)
	}
	defer c.Close()
	if !slices.Contains(said, address+":20000 is taken") {
		t.Errorf("said %q", said)
	}
}

// The first to look for a server is to start it; another one joins it, whether
// it leads already or not; other programs' ports are left to them.
func TestFindServer(t *testing.T) {
	const given = "127.78.77.1"
	var said []string
	find := func(given string) (string, *place, error) {
		return findServer(t.Context(), given, func(why string) { said = append(said, why) })
	}
	address, first, err := find(given)
	if err != nil || address != given || first == nil {
		t.Fatalf("%s %v %v", address, first, err)
	}
	if address, p, err := find(given); err != nil || address != given || p != nil {
		t.Errorf("two start it: %s %v %v", address, p, err)
	}
	if address, p, err := find("10.1.2.3"); err != nil || address != "10.1.2.3" || p != nil {
		t.Errorf("a server on another machine: %s %v %v", address, p, err)
	}
	_ = first.Close()
	l, err := net.Listen("tcp", given+":8500")
	if err != nil {
		t.Fatal(err)
	}
	leader := ""
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, leader) }))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	if _, p, err := find(given); err == nil || p != nil || len(said) != 1 || !strings.Contains(said[0], given+":8500 is taken") {
		t.Errorf("a port of another program: %v %v, said %q", p, err, said)
	}
	address, second, err := firstServer(t.Context(), []string{given, "127.78.77.2"}, func(string) {})
	if err != nil || address != "127.78.77.2" || second == nil {
		t.Fatalf("the next address is not taken instead: %s %v", address, err)
	}
	_ = second.Close()
	leader = `"127.78.77.1:8300"`
	if address, p, err := find(given); err != nil || address != given || p != nil {
		t.Errorf("one that leads: %s %v %v", address, p, err)
	}
}

// Two tasks that want one port at once get two, before either app has bound its own.
func TestAppPort(t *testing.T) {
	const address = "127.78.77.3"
	a, first, err := appPort(address, 8080)
	if err != nil || a != 8080 {
		t.Fatalf("%d, %v", a, err)
	}
	b, second, err := appPort(address, 8080)
	if err != nil || b == a || !free(address, b) {
		t.Errorf("%d as well, %v", b, err)
	}
	if b >= 32768 {
		t.Errorf("%d may become an outgoing connection's before the app binds it", b)
	}
	_, _ = first.Close(), second.Close()
	l, err := net.Listen("tcp", join(address, 8080))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, third, err := appPort(address, 8080)
	if err != nil || c == 8080 {
		t.Errorf("%d, which is bound, %v", c, err)
	}
	_ = third.Close()
}

// Our own client is the judge of our own endpoint.
func TestMetadataIsReadAsATask(t *testing.T) {
	s := httptest.NewServer(Metadata(Task{ID: "abc", Service: "web", Address: "127.77.0.2"}))
	defer s.Close()
	c, err := ecs.New(s.URL + "/v4/abc")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id, err := c.Identity(t.Context(), nil)
	if err != nil || id.ID != "abc" || id.Family != "web" || id.Address != "127.77.0.2" || id.Container != "web" {
		t.Errorf("%+v, %v", id, err)
	}
	for path, want := range map[string]string{"/v4/abc/stats": `"cpu_stats":`, "/v4/abc/task/stats": `"abc-1":{`, "/v4/abc/taskWithTags": `"TaskTags":`} {
		if status, body := get(t, s.URL+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	var text string
	for _, path := range []string{"/v4/other", "/v4/abc/nothing"} {
		if status, body := get(t, s.URL+path); status != 404 || json.Unmarshal([]byte(body), &text) != nil {
			t.Errorf("%s: %d %s, want a bare JSON string", path, status, body)
		}
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestNames(t *testing.T) {
	for command, want := range map[string]string{"./bin/Server_2": "server-2", "python3": "python3", "/": "app", "___": "app"} {
		if got := serviceName(command); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
}
