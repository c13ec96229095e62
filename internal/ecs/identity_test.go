package ecs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/event"
)

func TestIdentity(t *testing.T) {
	got, err := newEndpoint(t).client(t).Identity(t.Context(), nil)
	want := Identity{ID: "0a1b2c", Family: "Web", Cluster: cluster, Address: "10.0.1.7", ARN: arnFargate, Container: "web", Zone: "us-east-1b", Revision: "41", LaunchType: "FARGATE"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// handler is a RoundTripper without sockets, for fake time.
type handler http.HandlerFunc

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// fake is a client whose endpoint answers by answer.
func fake(t *testing.T, answer http.HandlerFunc) *Client {
	c, err := New("http://fake/v4/id")
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = handler(answer)
	return c
}

func both(w http.ResponseWriter, r *http.Request) {
	doc := ownDoc
	if strings.HasSuffix(r.URL.Path, "/task") {
		doc = taskDoc
	}
	_, _ = io.WriteString(w, doc)
}

func TestIdentityWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		c := fake(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			if time.Since(began) < 10*time.Second {
				refuse(500, "container is being created")(w, r)
				return
			}
			both(w, r)
		})
		var told []event.Event
		id, err := c.Identity(t.Context(), func(e event.Event) { told = append(told, e) })
		if err != nil || id.ID != "0a1b2c" {
			t.Fatalf("got %+v, %v", id, err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("took %s, want at most one pause more than 10 s", took)
		}
		if calls < 8 || calls > 20 {
			t.Errorf("%d calls in 10 s: want a few, backing off", calls)
		}
		first, _ := told[0].(event.Waiting)
		if first.Code != event.Metadata || first.Facts["address"] != "http://fake/v4/id" || !strings.Contains(first.Err, "container is being created") {
			t.Errorf("it waits for %+v: want a code, and the last error", first)
		}
		if _, over := told[len(told)-1].(event.WaitOver); !over || len(told) < 3 {
			t.Errorf("it reported %v: want the end at the end", told)
		}
	})
}

func TestIdentityGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"never good": {refuse(404, "unknown id"), "HTTP 404: unknown id"},
		"hangs":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
		"{}":         {document(`{}`), "no Name"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := fake(t, c.answer).Identity(t.Context(), nil)
				has(t, err, "http://fake/v4/id", "1m0s", c.want)
				if cause := event.CauseOf(err); cause == nil || cause.Code != event.Metadata {
					t.Errorf("the cause is %+v", cause)
				}
				if took := time.Since(began); took != Patience {
					t.Errorf("gave up after %s, want %s", took, Patience)
				}
			})
		})
	}
}

func TestIdentityStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(errors.New("TERM")) })
		began := time.Now()
		_, err := fake(t, refuse(500, "x")).Identity(ctx, nil)
		if took := time.Since(began); err == nil || took != 3*time.Second {
			t.Errorf("got %v after %s, want an error at 3 s", err, took)
		}
	})
}

// A container may be listed before its network is; one in host mode never has
// an address, which must not cost the whole patience.
func TestIdentityWithoutAddress(t *testing.T) {
	for name, c := range map[string]struct {
		from time.Duration // when the address appears
		want string
		most time.Duration
	}{
		"late": {2 * time.Second, "10.0.1.7", 4 * time.Second},
		"host": {time.Hour, "", addressWait + lastPause + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				id, err := fake(t, func(w http.ResponseWriter, r *http.Request) {
					if !strings.HasSuffix(r.URL.Path, "/task") && time.Since(began) < c.from {
						document(`{"Name":"web","Networks":[{"NetworkMode":"host"}]}`)(w, r)
						return
					}
					both(w, r)
				}).Identity(t.Context(), nil)
				if took := time.Since(began); err != nil || id.Address != c.want || took > c.most {
					t.Errorf("got %q, %v after %s", id.Address, err, took)
				}
			})
		})
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		want string
		n    []Network
	}{
		{"", nil},
		{"", []Network{{NetworkMode: "host"}}},
		{"10.0.0.1", []Network{{}, {IPv4Addresses: []string{"10.0.0.1", "10.0.0.2"}}}},
		{"fd00::1", []Network{{IPv6Addresses: []string{"fd00::1"}}}},
		{"10.0.0.1", []Network{{IPv6Addresses: []string{"fd00::1"}}, {IPv4Addresses: []string{"10.0.0.1"}}}},
	} {
		if got := (Container{Networks: c.n}).Address(); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.n, got, c.want)
		}
	}
}

func TestLocal(t *testing.T) {
	a, b := Local(), Local()
	if a.ID == b.ID || len(a.ID) != 32 {
		t.Errorf("IDs %q, %q: want two random ones of 32 digits", a.ID, b.ID)
	}
	id, err := TaskID(a.ARN)
	if err != nil || id != a.ID {
		t.Errorf("TaskID(%q) = %q, %v", a.ARN, id, err)
	}
	a.ID, a.ARN = "", ""
	if d := cmp.Diff(Identity{Family: "local", Cluster: "local", Address: "127.0.0.1"}, a); d != "" {
		t.Error(d)
	}
}
