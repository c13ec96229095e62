package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/dev"
	"meshtask/internal/event"
	"meshtask/internal/httplimit"
	"meshtask/internal/plan"
	"meshtask/internal/printable"
	"meshtask/internal/task"
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
	if c.on("no-mesh") {
		return w.fail(exitUsage, "dev: --no-mesh needs nothing of what dev makes: meshtask run --no-mesh -- CMD")
	}
	d := &devRun{w: w, c: c}
	defer d.close()
	if err := d.choose(); err != nil {
		return d.refuse(err)
	}
	srv := httplimit.Server(dev.Metadata(d.task))
	go srv.Serve(httplimit.Limit(d.endpoint, httplimit.Connections()))
	defer srv.Close()
	w.env = plan.Merge(w.env, "ECS_CONTAINER_METADATA_URI_V4=http://"+d.endpoint.Addr().String()+"/v4/"+d.task.ID)

	return w.live("dev", d.c.mode(), d.c, life{before: d.server, begun: d.print})
}

// devRun is what `meshtask dev` has chosen.
type devRun struct {
	w        *world
	c        call
	task     dev.Task
	dir      string
	endpoint net.Listener // of the task metadata
	place    *dev.Place   // of a server that is ours to start; nil: there is one
	port     io.Closer    // the claim on the app's port; nil: it has none
	local    bool         // the server is this machine's, at task.Server
}

func (d *devRun) close() {
	if d.place != nil {
		_ = d.place.Close()
	}
	if d.port != nil {
		_ = d.port.Close()
	}
}

func (d *devRun) flag(name string) string { return d.w.flag(d.c, name) }

// passed says why something that was asked for is somewhere else.
func (d *devRun) passed(why string) {
	fmt.Fprintf(d.w.stderr, "meshtask dev: %s\n", printable.Text(why))
}

// choose picks name, address, port and server, and completes the configuration.
func (d *devRun) choose() error {
	doc, err := d.given()
	if err != nil {
		return err
	}
	d.task = doc.Task()
	d.task.Service = cmp.Or(d.task.Service, dev.Name(d.c.cmd[0]))
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, says its documentation
	d.task.ID = hex.EncodeToString(id[:])
	if err := d.settle(doc); err != nil {
		return err
	}
	if err := d.findServer(); err != nil {
		return err
	}
	if d.c.doc, err = doc.Complete(d.task); err != nil {
		return err
	}
	d.dir = d.flag("dir")
	if d.dir == "" {
		d.dir = filepath.Join(os.TempDir(), fmt.Sprintf("meshtask-dev-%d", os.Getuid()), d.task.Service+"-"+d.task.ID[:6])
	}
	d.c.set["dir"], d.c.set["config"] = d.dir, filepath.Join(d.dir, configFile)
	return nil
}

// configFile is for the user to read: we never read it back, as what is at its path then need
// not be what we wrote.
const configFile = "config.json"

// refuse ends a run for which nothing could be chosen. A directory that nobody has named has
// no record of an earlier life.
func (d *devRun) refuse(err error) int {
	if d.flag("dir") == "" {
		return d.w.fail(exitConfig, "dev: %v", err)
	}
	return d.w.refuse(d.c.mode(), d.c, exitConfig, "dev: %v", err)
}

// given is the configuration that there is, with the flags of dev in it.
func (d *devRun) given() (dev.Document, error) {
	text := []byte(d.w.getenv("MESHTASK_CONFIG_JSON"))
	if name := d.flag("config"); name != "" {
		var err error
		if text, err = d.w.readFile(name, config.MaxDocument); err != nil {
			return dev.Document{}, fmt.Errorf("%s: %w", d.w.source(d.c, "config"), err)
		}
	}
	doc, err := dev.Read(text)
	if err != nil {
		return doc, err
	}
	port := 0
	if text := d.flag("port"); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return doc, fmt.Errorf("%s: must be a number from 1 to 65535, got %q", d.w.source(d.c, "port"), text)
		}
		host, asked := doc.AppAddress(), port
		if port, d.port, err = dev.AppPort(host, asked); err != nil {
			return doc, err
		}
		if port != asked {
			d.passed(fmt.Sprintf("port %d of %s is taken: the app gets PORT=%d and has to listen there", asked, host, port))
		}
	}
	doc.Set(d.flag("service"), port)
	return doc, nil
}

// settle takes the task's address, which the metadata endpoint is bound to.
func (d *devRun) settle(doc dev.Document) error {
	if d.task.Address != "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		d.endpoint = l
		return err
	}
	p, err := dev.TaskPlace(doc.Ports(), d.passed)
	if err != nil {
		return err
	}
	d.endpoint, d.task.Address = p, p.Address
	return nil
}

// findServer: servers that the configuration joins are somebody else's.
func (d *devRun) findServer() (err error) {
	given := d.flag("server")
	if given == "" && (d.task.Server != "" || d.flag("retry-join") != "") {
		return nil
	}
	if d.task.Server, d.place, err = dev.FindServer(context.Background(), given, d.passed); err != nil {
		return err
	}
	if given != "" { // it wins over the configuration's
		d.c.set["retry-join"] = d.task.Server
	}
	ip := net.ParseIP(d.task.Server)
	d.local = ip != nil && ip.IsLoopback()
	return nil
}

func (d *devRun) print(p *plan.Plan) {
	say := func(format string, args ...any) { fmt.Fprintf(d.w.stderr, "meshtask dev: "+format+"\n", args...) }
	say("service %s at %s, state and configuration in %s", p.Service.Name, d.task.Address, d.dir)
	if d.task.Server != "" {
		how := "joins the Consul server"
		if d.place != nil {
			how = "starts a Consul server"
		}
		say("%s at %s, UI http://%s:8500/ui", how, d.task.Server, d.task.Server)
	}
	host, port, _ := net.SplitHostPort(p.Envoy.Listen) // the plan made it
	say("public listener %s", net.JoinHostPort(cmp.Or(host, d.task.Address), port))
	for _, u := range p.Service.Proxy.Upstreams {
		say("upstream %s at http://%s", u.DestinationName, net.JoinHostPort(cmp.Or(u.LocalBindAddress, d.task.Address), strconv.Itoa(u.LocalBindPort)))
	}
}

// server writes the configuration down, and starts the development server when that is ours
// to do, and waits until this machine's has a leader. end ends it: when the task has ended,
// nothing else of ours needs it.
func (d *devRun) server(ctx context.Context, t task.Tools) (end func(), err error) {
	if err := t.Dir.Write(configFile, d.c.doc); err != nil {
		return nil, event.Because(event.StateDirectory, err)
	}
	if !d.local {
		return nil, nil
	}
	end = func() {}
	ended := (<-chan struct{})(nil)
	died := func() error { return nil }
	if d.place != nil {
		child, err := t.Start("consul-server", append([]string{t.Consul}, dev.ServerArgs(d.task.Server)...), plan.ConsulFree(d.w.env))
		if err != nil {
			return nil, event.Because(event.ConsulMissing, err)
		}
		end = func() {
			_ = child.SignalGroup(9) // its state is in memory: there is nothing to save
			<-child.Done()
			child.Clear(0)
		}
		ended = child.Done()
		died = func() error {
			exit := child.Exit()
			return fmt.Errorf("the development server ended: %v: %v", &exit, child.Tail())
		}
	}
	if err = d.await(ctx, ended, died); err != nil {
		end()
		return nil, event.Because(event.ConsulNoLeader, err)
	}
	return end, nil
}

// await polls until the server leads: its log does not say when.
func (d *devRun) await(ctx context.Context, ended <-chan struct{}, died func() error) error {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !dev.Lives(ctx, d.task.Server) {
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
