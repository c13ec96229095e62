// Package envoy runs the task's Envoy: it has the bootstrap file made, starts
// and stops the process, tells when it is ready and why it is not, and drains
// its inbound listeners.
//
// It knows Envoy's flags and its admin interface. It does not know when any of
// this should happen, how the proxy is registered, or what the app is.
package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/envoy/bootstrap"
	"meshtask/internal/event"
	"meshtask/internal/retry"
	"meshtask/supervisor"
)

// Bootstrap writes the bootstrap file.
type Bootstrap struct {
	bootstrap.Settings
	File string // where to; it holds the token

	// Put replaces a file of File's directory as a whole, 0600: File, and what the command
	// reads from files beside it.
	Put func(name string, data []byte) error

	// PutToken puts the content of TokenFile there likewise; not needed without one.
	PutToken func(data []byte) error

	// Registered reads the sidecar from the agent, central defaults merged in.
	Registered func(context.Context) (bootstrap.Registered, error)

	// UseCommand has Consul make the document, as is done anyway when
	// proxy.config has envoy_* settings that we do not know (see bootstrap.Unknown).
	UseCommand bool
	Command    Command
	Upstreams  int // of the sidecar, for what the stats tags cost
	Log        hclog.Logger
}

// Command runs `consul connect envoy -bootstrap`.
type Command struct {
	Path string // consul (see supervisor.Look)
	HTTP string // the API: "HOST:PORT", or "https://HOST:PORT"; with NodeName a server's, else the agent's

	// CA (PEM) and ServerName are those of an https API; "" = as Env or the system has it, and
	// HTTP's host.
	CA, ServerName string

	Env    []string // whole environment; CONSUL_* in it count
	Start  Starter
	Report event.Report
}

// The command takes 45 ms when idle. It fails while the agent is not up or the
// token not yet known to it, so a few tries are worth it.
const (
	commandLimit    = 10 * time.Second
	commandTries    = 6
	commandPause    = 100 * time.Millisecond // doubled after each try, to
	commandMaxPause = 2 * time.Second
)

// Write makes the document, and the token file if there is one, and puts each in place.
func (b Bootstrap) Write(ctx context.Context) error {
	r, err := b.Registered(ctx)
	if err != nil {
		return fmt.Errorf("envoy bootstrap: read the registration of %s: %w", b.ProxyID, err)
	}
	unknown := bootstrap.Unknown(r.Config)
	if len(unknown) > 0 && b.Log != nil {
		b.Log.Info("consul makes the bootstrap", "unknown settings", strings.Join(unknown, " "))
	}
	var doc []byte
	if b.UseCommand || len(unknown) > 0 {
		doc, err = b.command(ctx, r)
	} else {
		doc, err = bootstrap.Document(b.Settings, r)
	}
	if err != nil {
		return fmt.Errorf("envoy bootstrap: %w", err)
	}
	if b.TokenFile != "" && b.Token != nil {
		token, err := bootstrap.TokenDocument(b.Token())
		if err == nil {
			err = b.PutToken(token)
		}
		if err != nil {
			return fmt.Errorf("envoy token file: %w", err)
		}
	}
	if err := b.Put(filepath.Base(b.File), doc); err != nil {
		return fmt.Errorf("envoy bootstrap: %w", err)
	}
	b.sayCost(r)
	return nil
}

// manyUpstreams is from how many on the cost of the stats expressions is worth a line.
const manyUpstreams = 6

// expressionCost is what one expression adds to Envoy's start for each upstream, as measured
// (docs/adr/0019).
const expressionCost = 4 * time.Millisecond

// sayCost says what the expressions in the document cost, and what to do instead.
func (b Bootstrap) sayCost(r bootstrap.Registered) {
	n, err := bootstrap.Expressions(b.Settings, r)
	if err != nil || n == 0 || b.Upstreams < manyUpstreams || b.Log == nil {
		return
	}
	why, fix := "envoy.statsTags", "set it to \"auto\""
	if readers, err := bootstrap.Readers(b.Settings, r); err == nil && len(readers) > 0 {
		why = strings.Join(readers, " ")
		fix = "remove that setting, or list in envoy.statsTags the few that you need"
	}
	b.Log.Info("Envoy starts more slowly: it runs Consul's stats expressions over the statistics of each upstream", "expressions", n, "upstreams", b.Upstreams,
		"cost", time.Duration(n*b.Upstreams)*expressionCost, "because of", why, "fix", fix+"; meshtask's /metrics has the same labels either way")
}

func (b Bootstrap) command(ctx context.Context, r bootstrap.Registered) ([]byte, error) {
	report := b.Command.Report.Or()
	pauses := retry.Backoff{First: commandPause, Max: commandMaxPause}
	for try := 1; ; try++ {
		doc, err := b.once(ctx, r)
		if err == nil {
			report(event.WaitOver{})
			return doc, nil
		}
		if try == commandTries || ctx.Err() != nil {
			return nil, fmt.Errorf("after %d tries: %w", try, err)
		}
		report(event.Waiting{Code: event.Register, What: "consul connect envoy -bootstrap", Err: err.Error(),
			Fix: "check that Consul answers and that the token may read " + b.ProxyID})
		timer := time.NewTimer(pauses.Next())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

func (b Bootstrap) once(ctx context.Context, r bootstrap.Registered) ([]byte, error) {
	argv, remove, err := b.argv(r)
	defer remove()
	if err != nil {
		return nil, err
	}
	spec := supervisor.Spec{Name: "consul connect envoy", Argv: argv, Env: b.Command.Env, NoCore: true}
	out, err := b.Command.Start.Output(ctx, spec, commandLimit)
	if err != nil {
		return nil, err
	}
	return bootstrap.Adopt(out, b.Settings, r)
}

// replacedXDS is given where xDS is at the servers: Adopt replaces what the command makes of it,
// and without one the command asks an agent.
const replacedXDS = "127.0.0.1:8502"

// argv puts what must not be seen in argv, and what the command reads from a
// file only, into files beside the bootstrap; remove deletes them.
func (b Bootstrap) argv(r bootstrap.Registered) (argv []string, remove func(), err error) {
	var files []string
	remove = func() {
		for _, file := range files {
			_ = os.Remove(file)
		}
	}
	file := func(name, content string) string {
		path := b.File + name
		files = append(files, path)
		err = errors.Join(err, b.Put(filepath.Base(path), []byte(content)))
		return path
	}
	argv = []string{
		b.Command.Path, "connect", "envoy", "-bootstrap", "-proxy-id", b.ProxyID,
		"-http-addr", b.Command.HTTP, "-admin-bind", b.ConsulAdmin(),
	}
	if b.NodeName != "" {
		argv = append(argv, "-node-name", b.NodeName)
	}
	if b.Command.CA != "" {
		argv = append(argv, "-ca-file", file(".http-ca", b.Command.CA))
	}
	if b.Command.ServerName != "" {
		argv = append(argv, "-tls-server-name", b.Command.ServerName)
	}
	xds := b.XDS
	if b.Servers != nil {
		xds = replacedXDS
	} else if b.CA != "" {
		argv = append(argv, "-grpc-ca-file", file(".ca", b.CA))
		if !strings.HasPrefix(xds, "unix://") {
			xds = "https://" + xds
		}
	}
	argv = append(argv, "-grpc-addr", xds)
	if b.Token != nil && b.Token() != "" {
		argv = append(argv, "-token-file", file(".token", b.Token()))
	}
	if r.Namespace != "" {
		argv = append(argv, "-namespace", r.Namespace)
	}
	if r.Partition != "" {
		argv = append(argv, "-partition", r.Partition)
	}
	return argv, remove, err
}
