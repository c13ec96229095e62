package dev

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/task"
)

// serverLimit is how long a development server may take to have a leader.
const serverLimit = 30 * time.Second

// Start writes the configuration down, has the task start the development server when that is
// ours to do, with the environment env, and waits until this machine's has a leader. end ends
// it: when the task has ended, nothing else of ours needs it. nil: nothing was started.
func (s *Setup) Start(ctx context.Context, t task.Tools, env []string) (end func(), err error) {
	if err := t.Dir.Write(configFile, s.Document); err != nil {
		return nil, event.Because(event.StateDirectory, err)
	}
	if !s.local {
		return nil, nil
	}
	end = func() {}
	ended := (<-chan struct{})(nil)
	died := func() error { return nil }
	if s.StartsServer {
		consul, err := t.Consul()
		if err != nil {
			return nil, err
		}
		child, err := t.Start("consul-server", append([]string{consul}, serverArgs(s.Task.Server)...), env)
		if err != nil {
			return nil, event.Because(event.ConsulMissing, err)
		}
		end = func() {
			_ = child.SignalGroup(syscall.SIGKILL) // its state is in memory: there is nothing to save
			<-child.Done()
			child.Clear(0)
		}
		ended = child.Done()
		died = func() error {
			exit := child.Exit()
			return fmt.Errorf("the development server ended: %v: %v", &exit, child.Tail())
		}
	}
	if err = s.await(ctx, ended, died); err != nil {
		end()
		return nil, event.Because(event.ConsulNoLeader, err)
	}
	return end, nil
}

// await polls until the server leads: its log does not say when.
func (s *Setup) await(ctx context.Context, ended <-chan struct{}, died func() error) error {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !hasLeader(ctx, s.Task.Server) {
		select {
		case <-poll.C:
		case <-ended:
			return died()
		case <-ctx.Done():
			return errors.New("the development server has no leader")
		}
	}
	return nil
}
