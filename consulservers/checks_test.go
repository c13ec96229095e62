package consulservers

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/registration"
)

func web() registration.Registration {
	return registration.Registration{TaskID: "1", TaskARN: "arn:task/c/1", Name: "web", Port: 8080, Address: "10.0.0.7", Containers: []string{"app", "side"},
		Proxy: registration.Proxy{LocalServiceAddress: "127.0.0.1"}}
}

// Both kinds of names: what the checks say as their containers and the listener come up.
func TestPicture(t *testing.T) {
	ours := []string{"web-1-app-consul-ecs", "web-1-side-consul-ecs", "service:web-1-sidecar-proxy:1", "service:web-1-sidecar-proxy:2"}
	theirs := []string{"web-1-side", "web-1-consul-dataplane", "web-1-sidecar-proxy-consul-dataplane"}
	app, side := status{"passing", "up"}, status{"passing", "fine"}
	for name, c := range map[string]struct {
		names Names
		said  map[string]status
		bound bool
		ids   []string
		want  []string // passing; all others are critical
	}{
		"at first":                    {names: Ours, ids: ours},
		"bound":                       {names: Ours, ids: ours, bound: true, want: ours[2:3]},
		"one container":               {names: Ours, ids: ours, bound: true, said: map[string]status{ours[0]: app}, want: []string{ours[0], ours[2]}},
		"all, not bound":              {names: Ours, ids: ours, said: map[string]status{ours[0]: app, ours[1]: side}, want: []string{ours[0], ours[1], ours[3]}},
		"all":                         {names: Ours, ids: ours, bound: true, said: map[string]status{ours[0]: app, ours[1]: side}, want: ours},
		"consul-ecs, at first":        {names: OfConsulECS, ids: theirs},
		"consul-ecs, app":             {names: OfConsulECS, ids: theirs, bound: true, said: map[string]status{theirs[1]: app}},
		"consul-ecs, side":            {names: OfConsulECS, ids: theirs, bound: true, said: map[string]status{theirs[0]: side}, want: theirs[:1]},
		"consul-ecs, all, not bound":  {names: OfConsulECS, ids: theirs, said: map[string]status{theirs[0]: side, theirs[1]: app}, want: theirs[:1]},
		"consul-ecs, all":             {names: OfConsulECS, ids: theirs, bound: true, said: map[string]status{theirs[0]: side, theirs[1]: app}, want: theirs},
		"consul-ecs, warning is none": {names: OfConsulECS, ids: theirs, bound: true, said: map[string]status{theirs[0]: {"warning", ""}, theirs[1]: app}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPicture(web(), c.names, SyncedChecks(web(), c.names, []string{"side"}, "app"))
			maps.Copy(p.said, c.said)
			p.bound = c.bound
			want := map[string]string{}
			for _, id := range c.ids {
				want[id] = "critical"
			}
			for _, id := range c.want {
				want[id] = "passing"
			}
			got := p.statuses()
			if name == "consul-ecs, warning is none" {
				for _, id := range c.ids {
					want[id] = "warning"
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where a consul-ecs document lists the app's own container, that has a check of its own.
func TestSyncedChecks(t *testing.T) {
	for name, c := range map[string]struct {
		synced []string
		own    string
		want   []Synced
	}{
		"alone":        {nil, "app", []Synced{{"web-1-consul-dataplane", "app"}}},
		"listed":       {[]string{"app"}, "app", []Synced{{"web-1-app", "app"}}},
		"sibling":      {[]string{"side"}, "app", []Synced{{"web-1-side", "side"}, {"web-1-consul-dataplane", "app"}}},
		"siblings all": {[]string{"a", "b"}, "", []Synced{{"web-1-a", "a"}, {"web-1-b", "b"}}},
	} {
		if diff := cmp.Diff(c.want, SyncedChecks(web(), OfConsulECS, c.synced, c.own)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
