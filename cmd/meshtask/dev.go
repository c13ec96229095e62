package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/dev"
	"meshtask/supervisor"
)

// serverLimit is how long a development server may take to have a leader.
const serverLimit = 30 * time.Second

// runDev is `meshtask dev`: a task on a laptop or in CI. What ECS would give is
// made here: an address, the metadata endpoint, a Consul server, the
// configuration. From there on it is `meshtask run`.
func runDev(w *world, c call) int {
	if len(c.rest) > 0 || len(c.cmd) == 0 {
		return w.fail(exitUsage, "dev: a command is needed: meshtask dev [flags] -- CMD ARG…")
	}
	d, err := newDev(w, c)
	if err != nil {
		return w.fail(exitConfig, "dev: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return w.fail(exitInternal, "dev: %v", err)
	}
	srv := &http.Server{Handler: dev.Metadata(d.task), ReadHeaderTimeout: time.Second}
	go srv.Serve(l)
	defer srv.Close()
	w.env = append(w.env, "ECS_CONTAINER_METADATA_URI_V4=http://"+l.Addr().String()+"/v4/"+d.task.ID)

	t, code := w.task("dev", config.Run, c)
	if t == nil {
		return code
	}
	defer t.out.Close(flushLimit)
	t.before = d.server
	d.print(w, t)
	return t.live()
}

// devRun is what `meshtask dev` has chosen.
type devRun struct {
	task dev.Task
	file string // the configuration that was written
	ours bool   // the server is started here
}

// newDev chooses name, address and server, and writes what is missing of the
// configuration into the state directory.
func newDev(w *world, c call) (*devRun, error) {
	d := &devRun{task: dev.Task{Service: dev.Name(c.cmd[0]), Server: c.set["server"]}}
	if name := c.set["service"]; name != "" {
		d.task.Service = name
	}
	var err error
	if port := c.set["port"]; port != "" {
		if d.task.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("--port: want a number, got %q", port)
		}
	}
	if d.task.Address, err = dev.Address(); err != nil {
		return nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, says its documentation
	d.task.ID = hex.EncodeToString(id[:])
	if d.task.Server == "" {
		d.task.Server = dev.ServerAddress
		d.ours = !dev.Lives(context.Background(), d.task.Server)
	}
	dir := c.set["dir"]
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "meshtask-dev", d.task.Service+"-"+d.task.ID[:6])
		c.set["dir"] = dir
	}
	var given []byte
	if name := c.set["config"]; name != "" {
		if given, err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	doc, err := dev.Config(given, d.task)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d.file = filepath.Join(dir, "config.json")
	c.set["config"] = d.file
	return d, os.WriteFile(d.file, doc, 0o600)
}

func (d *devRun) print(w *world, t *task) {
	fmt.Fprintf(w.stderr, "meshtask dev: service %s at %s, configuration %s\n", d.task.Service, d.task.Address, d.file)
	fmt.Fprintf(w.stderr, "meshtask dev: Consul UI http://%s:8500/ui, public listener %s:%d\n", d.task.Server, d.task.Address, t.cfg.Proxy.PublicListenerPort)
	for _, u := range t.cfg.Proxy.Upstreams {
		host := u.LocalBindAddress
		if host == "" {
			host = d.task.Address
		}
		fmt.Fprintf(w.stderr, "meshtask dev: upstream %s at http://%s\n", u.DestinationName, net.JoinHostPort(host, strconv.Itoa(u.LocalBindPort)))
	}
}

// server starts the development server when none lives, and waits until it has
// a leader. end ends it: when the task has ended, nothing else of ours needs it.
func (d *devRun) server(ctx context.Context, t *task) (end func(), err error) {
	if !d.ours {
		return func() {}, nil
	}
	argv := append([]string{t.mesh.consul}, dev.ServerArgs(d.task.Server)...)
	print := t.childOutput("consul-server", 0)
	child, err := t.sup.Start(supervisor.Spec{Name: "consul-server", Argv: argv, Env: t.w.env,
		Lines: func(stream int, line []byte) { print(stream, 0, string(line)) }})
	if err != nil {
		return nil, &giveUp{exitConsul, err}
	}
	end = func() {
		_ = child.SignalGroup(9) // its state is in memory: there is nothing to save
		<-child.Done()
		child.Clear(0)
	}
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond) // its log does not say when it leads
	defer poll.Stop()
	for !dev.Lives(ctx, d.task.Server) {
		select {
		case <-poll.C:
			continue
		case <-child.Done():
			exit := child.Exit()
			err = fmt.Errorf("the development server ended: %v: %v", &exit, child.Tail())
		case <-ctx.Done():
			err = errors.New("the development server has no leader")
		}
		end()
		return nil, &giveUp{exitConsul, err}
	}
	return end, nil
}
