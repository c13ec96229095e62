package e2e

import (
	"testing"

	"meshtask/e2e/harness"
)

// An app that takes its time after TERM has live discovery for as long as it
// runs: its upstream moves meanwhile, and it is answered from the new place.
func TestTaskSlowAppFollowsItsUpstream(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	old := startTask(t, server, "place-1", "api", nil)
	web := prepare(t, server, "web-slow", "web", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
		c["shutdown"] = map[string]any{"stopTimeout": "60s", "drain": map[string]any{"propagationWait": "0s"}}
	})
	web = web.start(t, "--term", "ignore", "--upstream", "http://"+web.address+":9191/")
	old.up(t)
	web.up(t)
	call := "http://" + web.address + ":8080/call"
	answers(t, call, 200, "hello from place-1")

	web.term(t)
	web.says(t, "web-slow got terminated")
	answers(t, call, 200, "hello from place-1")
	moved := startTask(t, server, "place-2", "api", nil)
	moved.up(t)
	server.Passing(t, soon, "api", 2)
	old.term(t)
	old.ended(t, 0)
	answers(t, call, 200, "hello from place-2")

	if _, _, err := fetch(t.Context(), "http://"+web.address+":8080/exit?code=4"); err == nil {
		t.Error("the app answered its own end")
	}
	if s := web.ended(t, 4); s.Left != "verified" || len(s.Forced()) > 0 {
		t.Errorf("summary %+v", s)
	}
	moved.term(t)
	moved.ended(t, 0)
	server.Empty(t, soon)
}
