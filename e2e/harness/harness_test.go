package harness

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func TestAddressesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		a := Address(t)
		if seen[a] {
			t.Fatalf("%s was given twice", a)
		}
		seen[a] = true
	}
}

func TestPollTellsTheLastError(t *testing.T) {
	want := errors.New("still not")
	if err := Poll(t.Context(), 30*time.Millisecond, func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want the condition's error", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the operator has left"))
	if err := Poll(ctx, time.Hour, func() error { return want }); !errors.Is(err, context.Cause(ctx)) || !errors.Is(err, want) {
		t.Errorf("got %v, want the cause and the condition's error", err)
	}
}

func TestServers(t *testing.T) {
	for name, cfg := range map[string]ServerConfig{
		"open": {}, "deny": {Deny: true}, "acl": {ACL: true}, "persist": {Persist: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := StartServer(t, cfg)
			allowed, _, err := s.API.Connect().IntentionCheck(&api.IntentionCheck{Source: "web", Destination: "api"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := !cfg.Deny && !cfg.ACL; allowed != want {
				t.Errorf("without an intention web may call api: %v, want %v", allowed, want)
			}
			if !cfg.Persist {
				return
			}
			if _, err := s.API.KV().Put(&api.KVPair{Key: "k", Value: []byte("v")}, nil); err != nil {
				t.Fatal(err)
			}
			s.Kill()
			s.Restart(t, true)
			if pair, _, err := s.API.KV().Get("k", nil); err != nil || pair == nil {
				t.Errorf("after a restart: %v, %v", pair, err)
			}
		})
	}
}

func TestProcessExitCodes(t *testing.T) {
	if code := Start(t, "seven", []string{"/bin/sh", "-c", "echo out; exit 7"}, nil).Wait(t, time.Minute); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	p := Start(t, "deaf", []string{"/bin/sh", "-c", "trap '' TERM; echo up; while :; do read x </dev/zero; done"}, nil)
	Eventually(t, time.Minute, "the shell's first line", func() error {
		if p.Output() != "up\n" {
			return errors.New("not yet")
		}
		return nil
	})
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := p.Wait(t, time.Minute); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
}
