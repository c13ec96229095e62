package main

import (
	"context"
	"fmt"
	"sync"

	"meshtask/internal/config"
	"meshtask/internal/secret"
	"meshtask/internal/secret/awsstore"
)

// tokens is what the unit token has resolved; until it is ready all are empty.
type tokens struct {
	mu     sync.Mutex
	values map[secret.Ref]secret.String
	login  secret.String
}

func (k *tokens) of(ref secret.Ref) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.values[ref].Reveal()
}

// tokenUnit resolves every secret reference; it lives as long as what it found
// is used.
type tokenUnit struct {
	cfg     *config.Config
	env     func(string) (string, bool)
	waiting func(what, lastError, hint string)
	into    *tokens
}

func (u *tokenUnit) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	resolve, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a stop before everything is there ends the wait
		select {
		case <-stop:
			cancel()
		case <-resolve.Done():
		}
	}()
	var refs []secret.Ref
	for _, r := range u.cfg.References() {
		refs = append(refs, r.Ref)
	}
	values, err := secret.All(resolve, secret.Config{Env: u.env, Store: &awsstore.Store{}, Wait: u.cfg.ACL.Wait.Duration, Waiting: u.waiting}, refs...)
	if err != nil {
		if resolve.Err() != nil {
			return nil
		}
		return fmt.Errorf("cannot resolve: %w", err)
	}
	u.into.mu.Lock()
	u.into.values = values
	u.into.mu.Unlock()
	ready()
	select {
	case <-stop:
	case <-ctx.Done():
	}
	return nil
}
