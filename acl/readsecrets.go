package acl

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// readSecrets reads the secrets attended to. unread are those that could not be,
// by subject; err is set when nothing could be, so that it is no matter of one
// secret.
func (c *Controller) readSecrets(ctx context.Context, w *World, a attention) (unread map[string]error, err error) {
	w.Secrets, unread = map[Service]Secret{}, map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, workers) // as many reads at once
	read := func(subject, name string, keep func(Secret)) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			sec, err := c.readSecret(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				unread[subject] = fmt.Errorf("cannot read secret %s: %w", name, err)
				return
			}
			keep(sec)
		})
	}
	for s := range a.services {
		read(s.String(), w.Naming.secret(s), func(sec Secret) { w.Secrets[s] = sec })
	}
	if a.client && c.cfg.ClientSecret != "" {
		read(clientSubject, c.cfg.ClientSecret, func(sec Secret) { w.Client = &sec })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return unread, nil
}

func (c *Controller) readSecret(ctx context.Context, name string) (Secret, error) {
	if err := c.readLimit.wait(ctx); err != nil {
		return Secret{}, err
	}
	sec := Secret{Name: name, Missing: true}
	err := c.call(ctx, "secretsmanager:GetSecretValue", func(ctx context.Context) error {
		content, version, err := c.secrets.GetSecret(ctx, name)
		if err == nil {
			sec = parseSecret(name, version, content)
		}
		return err
	})
	if errors.Is(err, ErrMissing) {
		return Secret{Name: name, Missing: true}, nil
	}
	return sec, err
}
