package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

// configuration is a task's, as ECS would hand it over; the rest is the metadata
// endpoint's. app is its app.user.
func configuration(t harness.T, service string, app ...string) string {
	parts := map[string]any{
		"service": map[string]any{"name": service, "port": 8080}, "consulAgent": map[string]any{"retryJoin": []string{server}},
		"shutdown": map[string]any{"drain": map[string]any{"propagationWait": "200ms"}},
	}
	for _, user := range app {
		parts["app"] = map[string]any{"user": user}
	}
	doc, err := json.Marshal(parts)
	must(t, err)
	return "MESHTASK_CONFIG_JSON=" + string(doc)
}

func (r *report) version(img *image) {
	began := time.Now()
	p := r.start("version", img, 0, nil, "version")
	var err error
	if code := p.Wait(r, limit); code != 0 || !strings.Contains(p.Output(), "image-test") {
		err = fmt.Errorf("exit code %d: %s", code, p.Output())
	}
	r.judge("meshtask: alone in its image it runs, and says the version of the build", began, err)
}

// single is the whole life of a task in one container.
func (r *report) single(consul *harness.Server, img *image) {
	began := time.Now()
	c := r.task("web", "web", img)
	c.Mark(r, soon, "up", "T2")
	consul.Passing(r, soon, "web", 1)
	r.judge("example: up and passing at the servers, without a shell, from a read-only root", began, nil)
	r.judge("example: every process has uid 12345 and no capability; the volume alone is writable", time.Now(), c.confined(4))
	began = time.Now()
	r.judge("example: its HEALTHCHECK, run in the container, says healthy", began, c.healthy(r))
	began = time.Now()
	err := errors.Join(stop(r, map[*container]int{c: 0}), r.left(c))
	consul.Empty(r, limit)
	r.judge("example: TERM, exit code 0, agent left, catalog empty", began, err)
}

func (r *report) task(name, service string, img *image, cmd ...string) *container {
	endpoint := harness.StartEndpoint(r, name, service, task, "main")
	return r.start(name, img, 0, []string{configuration(r, service), "ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI}, cmd...)
}

func (r *report) left(c *container) error {
	if s := c.Summary(r); s.Left != "verified" || s.Deregistered != "verified" || len(s.Killed) > 0 {
		return fmt.Errorf("left %s, deregistered %s, killed %v", s.Left, s.Deregistered, s.Killed)
	}
	return nil
}

// code: another CMD, which ends by itself.
func (r *report) code(consul *harness.Server, img *image) {
	began := time.Now()
	c := r.task("batch", "batch", img, append(img.Cmd[:len(img.Cmd):len(img.Cmd)], "--life", "300ms", "--code", "7")...)
	var err error
	if code := c.Wait(r, soon); code != 7 {
		err = fmt.Errorf("exit code %d, want 7\n%s", code, c.Tail(20))
	}
	err = errors.Join(err, r.left(c))
	consul.Empty(r, limit)
	r.judge("example: another CMD takes the place of its own, and its exit code is the container's", began, err)
}

// appUser: root in front with three capabilities, the app another user, who is kept
// out of meshtask's environment, where the tokens come from, and of its files.
func (r *report) appUser(consul *harness.Server, img *image) {
	const what = "example-app-user: the app alone is app.user, and reads neither meshtask's environment nor its files"
	if os.Geteuid() != 0 {
		r.untested(what, "only root can become another user")
		return
	}
	began := time.Now()
	endpoint := harness.StartEndpoint(r, "users", "users", task, "main")
	c := r.start("users", img, 0, []string{configuration(r, "users", "12345:12345"), "ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI})
	c.Mark(r, soon, "up", "T2")
	consul.Passing(r, soon, "users", 1)
	r.judge(what, began, errors.Join(c.apart(r, 12345), c.healthy(r)))
	began = time.Now()
	err := errors.Join(stop(r, map[*container]int{c: 0}), r.left(c))
	consul.Empty(r, limit)
	r.judge("example-app-user: TERM, exit code 0, agent left, catalog empty", began, err)
}

// siblings: the mesh in one container, the app in another, the app first.
func (r *report) siblings(consul *harness.Server, mesh, app *image) {
	began := time.Now()
	containers := harness.StartEndpoint(r, "pair", "pair", task, "mesh")
	containers.Set("web", "", nil)
	own := harness.StartEndpoint(r, "pair", "pair", task, "web")
	a := r.start("app", app, 0, []string{"ECS_CONTAINER_METADATA_URI_V4=" + own.URI})
	m := r.start("mesh", mesh, 0, []string{configuration(r, "pair"), "ECS_CONTAINER_METADATA_URI_V4=" + containers.URI})
	m.Mark(r, soon, "up", "T2")
	m.Await(r, soon, "", "app", "step", "lease")
	consul.Passing(r, soon, "pair", 1)
	r.judge("meshtask-mesh, example-sibling: the app starts at T2, passing, confined, healthy", began,
		errors.Join(m.confined(3), a.confined(2), m.healthy(r)))
	began = time.Now()
	err := errors.Join(stop(r, map[*container]int{a: 0, m: 0}), r.left(m))
	consul.Empty(r, limit)
	r.judge("meshtask-mesh, example-sibling: TERM to both at once, 0 and 0, agent left, catalog empty", began, err)
}
