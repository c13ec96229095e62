package e2e

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/e2e/load"
	"meshtask/internal/testbed/awsfake"
)

// An installation of consul-ecs v0.6 moves, task by task: tasks of both kinds call each other,
// our controller takes over what the old one has made and doubles nothing, a task of the old
// kind is replaced under load without a lost request, and its tokens go with it.
func TestMigration(t *testing.T) {
	t.Parallel()
	const cluster = "test"
	web, apis := loginRole("web"), loginRole("apis")
	s, fake := loginBed(t, "", web, apis)
	consulECSInstallation(t, s, fake)
	s.HTTPServices(t)
	s.Allow(t, "web", "apis")
	s.Allow(t, "apis", "web")
	b := &aclBed{consul: s, cloud: awsfake.New(t.Cleanup)}
	b.cloud.Enforce(aclPolicy(t, "controller-role.json"))
	b.token = b.grant(t, "acl-controller", aclRules(t))
	run := func(service string) (arn, id string) {
		arn = b.mesh(cluster, service)
		return arn, arn[strings.LastIndexByte(arn, '/')+1:]
	}

	// Both kinds, side by side.
	oldARN, oldID := run("web")
	old := startConsulECS(t, s, fake, web, oldID, awsfake.ClusterARN(cluster), "web", "apis")
	_, id := run("apis")
	callee := startFromDocument(t, s, fake, apis, "apis", id, "apis", "web")
	toOld, fromOld := "http://"+callee.address+":9191/", "http://"+old.address+":9191/"
	answers(t, toOld, http.StatusOK, "web-consul-ecs")
	answers(t, fromOld, http.StatusOK, "apis")
	s.Passing(t, soon, "web", 1)

	// Ours takes over. Tokens of tasks that live stay.
	before := aclObjects(t, s.API)
	controller := b.startIAM(t, cluster)
	harness.Eventually(t, soon, "the controller works", func() error {
		if !strings.Contains(controller.Output(), "acl controller working") {
			return errors.New("it does not say so")
		}
		return nil
	})
	others := loginOf(t, s, fake, web, loginMethod, "0a1b2c", loginCluster) // another cluster's: it stays
	dead := loginOf(t, s, fake, web, loginMethod, "0123456789abcdef", awsfake.ClusterARN(cluster))
	harness.Eventually(t, soon, "the token of a task that was killed is reaped", func() error { return noToken(s.API, dead.AccessorID) })
	if after := aclObjects(t, s.API); after != before {
		t.Errorf("the installation was\n%s\nand is\n%s", before, after)
	}
	answers(t, fromOld, http.StatusOK, "apis")

	// The old task is replaced under load.
	g := load.Start(t.Context(), load.Config{URL: toOld, Rate: 40, NewConn: 50, Body: 32, Workers: 8})
	_, id = run("web")
	next := startFromDocument(t, s, fake, web, "web-meshtask", id, "web", "apis")
	s.Passing(t, soon, "web", 2)
	answers(t, toOld, http.StatusOK, "web-meshtask")
	old.leaves()
	inARow(t, toOld, 20, "web-meshtask")
	old.ends()
	report := g.Stop()
	t.Logf("%d requests, %d failed %s", report.Sent, len(report.Failures), report.Kinds())
	if len(report.Failures) > 0 || report.Sent < 20 {
		t.Errorf("%d of %d requests were lost: %s%s", len(report.Failures), report.Sent, report.Kinds(), report.Firsts())
	}
	answers(t, "http://"+next.address+":9191/", http.StatusOK, "apis")

	// It has not logged out: the controller does it for it, after the grace.
	b.cloud.ECS.Stop(oldARN)
	for _, token := range []string{old.serviceToken.AccessorID, old.token.AccessorID} {
		harness.Eventually(t, time.Minute, "the end of the old task's token", func() error { return noToken(s.API, token) })
	}
	if _, _, err := s.API.ACL().TokenRead(others.AccessorID, nil); err != nil {
		t.Errorf("a token of another cluster is gone: %v", err)
	}
	for _, m := range []member{next, callee} {
		m.term(t)
		if end := m.ended(t, 0); end.Left != "verified" || end.Deregistered != "verified" {
			t.Errorf("%s left %s, deregistered %s, want both verified", m.Name, end.Left, end.Deregistered)
		}
	}
	s.Empty(t, soon)
	if after := aclObjects(t, s.API); after != before {
		t.Errorf("the installation was\n%s\nand is\n%s", before, after)
	}
	if log := controller.Output(); strings.Contains(log, "[ERROR]") || strings.Contains(log, old.serviceToken.SecretID.Reveal()) {
		t.Errorf("the controller's log:\n%s", log)
	}
	stopped(t, controller)
}
