package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/supervisor"
)

// Bootstrap writes the bootstrap file.
type Bootstrap struct {
	Settings
	File string // where to; it holds the token

	// Put replaces a file of File's directory as a whole, 0600: File, and what the command
	// reads from files beside it.
	Put func(name string, data []byte) error

	// PutToken puts the content of TokenFile there likewise; not needed without one.
	PutToken func(data []byte) error

	// Registered reads the sidecar from the agent, central defaults merged in.
	Registered func(context.Context) (Registered, error)

	// UseCommand has Consul make the document, as is done anyway when
	// proxy.config has envoy_* settings that we do not know (see Known).
	UseCommand bool
	Command    Command
	Log        hclog.Logger
}

// Command runs `consul connect envoy -bootstrap`.
type Command struct {
	Path    string   // consul (see supervisor.Look)
	HTTP    string   // the agent's API, "HOST:PORT"
	Env     []string // whole environment; CONSUL_* in it count
	Start   Starter
	Waiting func(what, lastError, hint string) // nil = no-op
}

// The command takes 45 ms when idle. It fails while the agent is not up or the
// token not yet known to it, so a few tries are worth it.
const (
	commandLimit = 10 * time.Second
	commandTries = 6
	commandPause = 100 * time.Millisecond // doubled after each try
)

// Write makes the document, and the token file if there is one, and puts each in place.
func (b Bootstrap) Write(ctx context.Context) error {
	r, err := b.Registered(ctx)
	if err != nil {
		return fmt.Errorf("envoy bootstrap: read the registration of %s: %w", b.ProxyID, err)
	}
	unknown := Known(r.Config)
	if len(unknown) > 0 && b.Log != nil {
		b.Log.Info("consul makes the bootstrap", "unknown settings", strings.Join(unknown, " "))
	}
	var doc []byte
	if b.UseCommand || len(unknown) > 0 {
		doc, err = b.command(ctx, r)
	} else {
		doc, err = Document(b.Settings, r)
	}
	if err != nil {
		return fmt.Errorf("envoy bootstrap: %w", err)
	}
	if b.TokenFile != "" && b.Token != nil {
		token, err := TokenDocument(b.Token())
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
	return nil
}

func (b Bootstrap) command(ctx context.Context, r Registered) ([]byte, error) {
	waiting := b.Command.Waiting
	if waiting == nil {
		waiting = func(string, string, string) {}
	}
	pause := commandPause
	for try := 1; ; try++ {
		doc, err := b.once(ctx, r)
		if err == nil {
			waiting("", "", "")
			return doc, nil
		}
		if try == commandTries || ctx.Err() != nil {
			return nil, fmt.Errorf("after %d tries: %w", try, err)
		}
		waiting("consul connect envoy -bootstrap", err.Error(), "does the agent answer, and may the token read "+b.ProxyID+"?")
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
		pause *= 2
	}
}

func (b Bootstrap) once(ctx context.Context, r Registered) ([]byte, error) {
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
	v, err := decodeJSON(string(out))
	if err != nil {
		return nil, fmt.Errorf("consul connect envoy printed no JSON: %w", err)
	}
	doc, _ := v.(object)
	node, _ := doc["node"].(object)
	if node["id"] != b.ProxyID {
		return nil, fmt.Errorf("consul connect envoy printed a document for node.id %v, not for %s", node["id"], b.ProxyID)
	}
	if err := adapt(doc, b.Settings, r); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// argv puts what must not be seen in argv, and what the command reads from a
// file only, into files beside the bootstrap; remove deletes them.
func (b Bootstrap) argv(r Registered) (argv []string, remove func(), err error) {
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
		"-http-addr", b.Command.HTTP, "-admin-bind", consulAdminOf(b.Settings),
	}
	xds := b.XDS
	if b.CA != "" {
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
