package envoy

import (
	"context"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// tokenFilter is in every line with which an Envoy refuses a bootstrap document whose token
// filter it does not know, or does not have for upstreams (docs/adr/0015).
const tokenFilter = "credential_injector"

// WithoutFilter runs a Proxy, and runs it once more where its Envoy has refused the document
// because of the filter that reads the token file: with the one that Plain has written. So no
// version has to be known, and an Envoy that has the filter pays nothing.
type WithoutFilter struct {
	Proxy *Proxy
	Plain func(context.Context) error // writes the document without the filter
	Log   hclog.Logger

	done bool
}

// Run is as that of Proxy.
func (w *WithoutFilter) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	err := w.Proxy.Run(ctx, ready, stop)
	if err == nil || w.done || !w.Proxy.lacksFilter.Load() || closed(stop) || ctx.Err() != nil {
		return err
	}
	w.done = true
	if err := w.Plain(ctx); err != nil {
		return err
	}
	w.Log.Info("this Envoy cannot read its token from a file: a new token reaches it when it is started again")
	return w.Proxy.Run(ctx, ready, stop)
}

// filterLine notes a line that says so, which is no trouble then.
func (p *Proxy) filterLine(level hclog.Level, text string) hclog.Level {
	if !strings.Contains(text, tokenFilter) {
		return level
	}
	p.lacksFilter.Store(true)
	return hclog.Debug
}
