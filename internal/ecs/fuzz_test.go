package ecs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzDocuments answers every call with anything: the answer is an identity with a
// usable ID, or an error of bounded length.
func FuzzDocuments(f *testing.F) {
	f.Add(200, []byte(taskDoc))
	f.Add(200, []byte(ownDoc))
	f.Add(200, []byte(`{"Name":"web","TaskARN":"arn:aws:ecs:us-east-1:1:task/../..","Containers":[null,{}]}`))
	f.Add(200, []byte(strings.Repeat(`{"Networks":[`, 3000)))
	f.Add(500, []byte(`"unable to get task"`))
	f.Add(429, []byte("\x1b[2J"))
	f.Add(302, []byte(``))
	var answer struct {
		status int
		body   []byte
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body)
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 { // a server cannot say less or more
			return
		}
		answer.status, answer.body = status, body
		c, err := New(server.URL + "/v4/id")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		id, err := c.identity(t.Context())
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if status != 200 || id.ID == "" || id.Container == "" || strings.ContainsAny(id.ID, "/\\ \x00\n") {
			t.Errorf("status %d, identity %+v", status, id)
		}
		list, err := c.Containers(t.Context())
		if err != nil {
			t.Errorf("an identity, and no containers: %v", err)
		}
		for _, one := range list {
			_ = one.Address()
		}
		if _, err := json.Marshal(list); err != nil {
			t.Error(err)
		}
	})
}
