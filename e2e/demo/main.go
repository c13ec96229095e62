// Command demo shows meshtask with the real parts, on loopback, without root: a
// Consul server that denies every call, two instances of api, and web with an
// upstream to it. One of api has no Consul agent. They come up, are refused, are allowed, and are stopped, one of
// them under load. Every line is measured or asked for while you watch; when
// something did not happen the exit code is not 0.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

func main() {
	os.Exit(harness.Perform(os.Stdout, play))
}

func play(t harness.T) {
	d := &demo{T: t, out: os.Stdout}
	d.parts()
	d.server()
	api1 := d.task("api-1", "api", 0, false)
	api2 := d.task("api-2", "api", 0, true)
	web := d.task("web", "web", 9191, false)
	d.sideBySide(api1, api2)
	d.denied(web)
	d.allowed(web)
	before := d.catalog()
	d.stopUnderLoad(web, api1)
	d.end(web, api2)
	d.ended(web)
	d.ended(api2)
	d.emptied(before)
	d.draw(api1, web)
	if d.broken > 0 {
		d.Fatalf("%d of the above did not go as they should", d.broken)
	}
}

// demo is the state of one performance.
type demo struct {
	harness.T
	out     *os.File
	consul  *harness.Server
	program string
	app     string
	broken  int
}

// parts finds the real parts and builds our own two programs.
func (d *demo) parts() {
	version := func(path, arg, pattern string) string {
		out, err := exec.CommandContext(d.Context(), path, arg).Output()
		if err != nil {
			d.Fatalf("%s %s: %v", path, arg, err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if m == nil {
			d.Fatalf("%s %s says no version: %s", path, arg, out)
		}
		return string(m[1])
	}
	fmt.Fprintf(d.out, "meshtask demo · Consul %s · Envoy %s · loopback only, nothing to clean up\n",
		version(harness.Consul(d), "version", `Consul v(\S+)`), version(harness.Envoy(d), "--version", `/(\d+\.\d+\.\d+)/`))
	d.program, d.app = harness.Plain(d), harness.App(d)
}

func (d *demo) server() {
	began := time.Now()
	d.consul = harness.StartServer(d, harness.ServerConfig{Deny: true, Address: harness.NearAddress(d)})
	d.consul.HTTPServices(d)
	d.line("consul", "server ready, intentions deny by default", fmt.Sprintf("%.1f s", time.Since(began).Seconds()))
}

// line prints a finding with its verdict at the right edge.
func (d *demo) line(who, what, verdict string) {
	d.print(fmt.Sprintf("%-8s %s", who, what), verdict)
}

// judge prints a finding, and counts it when it is not as it should be.
func (d *demo) judge(what string, ok bool) {
	verdict := "ok"
	if !ok {
		verdict = "NOT OK"
		d.broken++
	}
	d.print(what, verdict)
}

// print cuts the blanks after a finding without a verdict.
func (d *demo) print(what, verdict string) {
	fmt.Fprintln(d.out, strings.TrimRight(fmt.Sprintf("  %-100s %8s", what, verdict), " "))
}
