package dev

import (
	"encoding/json"
	"net"
	"net/http/httptest"
	"testing"

	"meshtask/internal/ecs"
)

func TestConfigKeepsWhatIsThere(t *testing.T) {
	got, err := Config([]byte(`{"service":{"name":"web"},"consulAgent":null,"log":{"level":"debug"}}`),
		Task{Service: "other", Address: "127.77.0.2", Server: "127.0.0.1", Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Service struct {
			Name string
			Port int
		}
		Task        struct{ Address string }
		ConsulAgent struct{ RetryJoin []string }
		Log         struct{ Level string }
	}
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Service.Name != "web" || doc.Service.Port != 8080 || doc.Task.Address != "127.77.0.2" || doc.ConsulAgent.RetryJoin[0] != "127.0.0.1" || doc.Log.Level != "debug" {
		t.Errorf("%s", got)
	}
	if _, err := Config([]byte("{"), Task{}); err == nil {
		t.Error("a broken document was completed")
	}
}

func TestAddressIsFree(t *testing.T) {
	a, err := Address()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", a+":20000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err := Address(); err != nil || a == b {
		t.Errorf("%s is taken, and was given again (%v)", a, err)
	}
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
}

func TestNames(t *testing.T) {
	for command, want := range map[string]string{"./bin/Server_2": "server-2", "python3": "python3", "/": "app", "___": "app"} {
		if got := Name(command); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
}
