package acl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"meshtask/acl/reconcile"
	"meshtask/internal/testbed/awsfake"
)

// wired is a controller whose AWS is played over the wire, and whose Consul is
// in memory.
func wired(t *testing.T, cloud *awsfake.Cloud, change ...func(*Config)) (*Controller, *model) {
	t.Helper()
	m := newModel()
	c := m.controller(t, append([]func(*Config){func(c *Config) { c.Cluster = awsfake.ClusterARN("prod") }}, change...)...)
	c.asks(func(d *deps) { d.ecs, d.secrets = newECSTasks(cloud.Config()), newSMSecrets(cloud.Config()) })
	return c, m
}

func mesh(service string) map[string]string {
	return map[string]string{tagMesh: "true", tagService: service}
}

// unsure is how many calls of ECS were repeated for want of an answer. On a
// busy machine the SDK breaks one call in two thousand by itself, when it closes
// the request's body before the transport has looked for its end.
func unsure(c *Controller) int {
	calls := c.stats.snapshot().calls
	return int(calls[apiCall{"ecs:ListTasks", "error"}] + calls[apiCall{"ecs:DescribeTasks", "error"}])
}

// about is n, with what the SDK may have repeated by itself.
func about(want, n int) bool { return n >= want && n < want+want/100 }

// TestQuietSweep counts the calls of a sweep over 10 000 tasks and 1 000
// services in which nothing has changed.
func TestQuietSweep(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	cloud.ECS.Limit(nil)
	cloud.Secrets.Limit(nil)
	for i := range 10_000 {
		cloud.ECS.Run("prod", "fam", mesh(fmt.Sprintf("service-%d", i%1000)))
	}
	for i := range 1000 {
		cloud.Secrets.Set(fmt.Sprintf("pre-service-%d", i), "{}")
	}
	c, m := wired(t, cloud)
	c.cfg.Once = true // the whole audit in one sweep
	st := newMemory()
	if err := c.sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if len(m.tokens) != 1000 {
		t.Fatalf("%d tokens", len(m.tokens))
	}
	if got := cloud.Calls(); got["ecs:ListTasks"]+got["ecs:DescribeTasks"] != 200+unsure(c) || !about(1000, got["secretsmanager:GetSecretValue"]) || !about(1000, got["secretsmanager:UpdateSecret"]) {
		t.Errorf("first sweep: %v", got)
	}
	for range 3 {
		cloud.ResetCalls()
		clear(m.calls)
		repeated := unsure(c)
		if err := c.sweep(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		total := repeated - unsure(c)
		for _, n := range cloud.Calls() {
			total += n
		}
		for _, n := range m.calls {
			total += n
		}
		if got := cloud.Calls(); total > 101 || len(got) != 1 || len(m.calls) != 1 || m.calls["Tokens"] != 1 {
			t.Errorf("quiet sweep: %d calls: %v, Consul %v", total, got, m.calls)
		}
	}
	cloud.ECS.Run("prod", "fam", mesh("service-1")) // one more task is one more call
	cloud.ResetCalls()
	if err := c.sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if got := cloud.Calls(); got["ecs:DescribeTasks"] != 1 || got["secretsmanager:GetSecretValue"] != 0 {
		t.Errorf("sweep with one new task: %v", got)
	}
}

// TestThrottledSweep runs against ECS's real quota, of which others have taken
// most: the sweep takes longer, and is complete.
func TestThrottledSweep(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	bucket := awsfake.NewBucket(20, 5)
	bucket.Refuse(3) // a busy machine may never ask faster than the quota allows
	cloud.ECS.Limit(bucket)
	for range 1500 {
		cloud.ECS.Run("prod", "fam", mesh("web"))
	}
	cloud.Secrets.Set("pre-web", "{}")
	c, m := wired(t, cloud, func(c *Config) { c.Rates = Rates{ECS: 200, ECSBurst: 200} })
	st := newMemory()
	if err := c.sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if bucket.Throttled() == 0 {
		t.Error("nothing was throttled, so nothing is shown")
	}
	if c.ecsCalls.Limit() >= 200 {
		t.Error("the throttling replies did not slow the calls down")
	}
	if len(st.tasks.listed) != 1500 || len(m.tokens) != 1 {
		t.Errorf("%d of 1500 tasks, %d tokens", len(st.tasks.listed), len(m.tokens))
	}
	if n := c.stats.snapshot().calls[apiCall{"ecs:ListTasks", "throttled"}] + c.stats.snapshot().calls[apiCall{"ecs:DescribeTasks", "throttled"}]; int(n) != bucket.Throttled() {
		t.Errorf("%d throttled calls counted, %d answered", n, bucket.Throttled())
	}
}

// TestOwnLimitKeepsOffTheQuota sees no throttling, with the default rates and
// ECS's real bucket, from the first sweep on.
func TestOwnLimitKeepsOffTheQuota(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	bucket := awsfake.NewBucket(20, 100)
	cloud.ECS.Limit(bucket)
	for range 2500 {
		cloud.ECS.Run("prod", "fam", nil)
	}
	c, _ := wired(t, cloud, func(c *Config) { c.Rates = Rates{} })
	if err := c.sweep(t.Context(), newMemory()); err != nil {
		t.Fatal(err)
	}
	if bucket.Throttled() != 0 {
		t.Errorf("%d calls were throttled", bucket.Throttled())
	}
}

func TestSecretsOverTheWire(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	s := newSMSecrets(cloud.Config())
	ctx := t.Context()
	if _, _, err := s.GetSecret(ctx, "none"); !errors.Is(err, errMissing) {
		t.Errorf("a secret that does not exist: %v", err)
	}
	arn := cloud.Secrets.Set("empty", "")
	if content, version, err := s.GetSecret(ctx, arn); content != "" || version != "" || err != nil {
		t.Errorf("a secret without a value: version %q, %v", version, err)
	}
	first, err := s.PutSecret(ctx, "empty", reconcile.EmptySecret, "")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.PutSecret(ctx, "empty", reconcile.EmptySecret, ""); again != first || err != nil {
		t.Errorf("a repeated write: %q, %v", again, err)
	}
	if _, err := s.PutSecret(ctx, "empty", newCreds().JSON(), ""); !errors.Is(err, errConflict) {
		t.Errorf("a second writer of the same version: %v", err)
	}
	if _, err := s.PutSecret(ctx, "empty", newCreds().JSON(), first); err != nil {
		t.Errorf("the next version: %v", err)
	}
	if err := s.CreateSecret(ctx, "empty"); err != nil {
		t.Errorf("creating what exists: %v", err)
	}
	if err := s.CreateSecret(ctx, "made"); err != nil {
		t.Error(err)
	}
	if content, _, err := s.GetSecret(ctx, "made"); content != reconcile.EmptySecret || err != nil {
		t.Errorf("a created secret: %v", err)
	}
	cloud.Intercept(func(awsfake.Call) awsfake.Fault {
		return awsfake.Fault{Code: "AccessDeniedException", Message: "no"}
	})
	_, _, err = s.GetSecret(ctx, "made")
	if d, ok := errors.AsType[*denied](err); !ok || d.needs != "secretsmanager:GetSecretValue on made" {
		t.Errorf("a refusal: %v", err)
	}
}

// TestLostAnswers loses every other answer of AWS: what was done is not done twice.
func TestLostAnswers(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	for i := range 5 {
		cloud.Secrets.Set(fmt.Sprintf("pre-s%d", i), "{}")
		cloud.ECS.Run("prod", "fam", mesh(fmt.Sprintf("s%d", i)))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	cloud.Intercept(func(call awsfake.Call) awsfake.Fault {
		mu.Lock()
		defer mu.Unlock()
		seen[call.API]++
		return awsfake.Fault{Lost: seen[call.API]%2 == 1}
	})
	c, m := wired(t, cloud, func(c *Config) { c.Interval = 50 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	made := 0
	m.gate = func(call string, _ int) error {
		if call == "PutToken" {
			mu.Lock()
			defer mu.Unlock()
			if made++; made == 5 {
				cancel() // the chains that have begun are finished
			}
		}
		return nil
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		content, _ := cloud.Secrets.Get(fmt.Sprintf("pre-s%d", i))
		found := false
		for _, tok := range m.tokens {
			found = found || content == string(reconcile.Creds{AccessorID: tok.AccessorID, SecretID: tok.SecretID}.JSON())
		}
		if !found || cloud.Secrets.Versions(fmt.Sprintf("pre-s%d", i)) != 2 {
			t.Errorf("s%d: token found %v, %d versions", i, found, cloud.Secrets.Versions(fmt.Sprintf("pre-s%d", i)))
		}
	}
}

func TestEmptyClusterIsNotDescribed(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	cloud.ECS.AddCluster("prod")
	c, _ := wired(t, cloud)
	if err := c.sweep(t.Context(), newMemory()); err != nil {
		t.Error(err)
	}
	if _, err := c.ecs.DescribeTasks(t.Context(), c.cfg.Cluster, nil); err != nil {
		t.Errorf("an empty list reached ECS: %v", err)
	}
	c, _ = wired(t, cloud, func(c *Config) { c.Cluster = "prod-2" })
	if err := c.sweep(t.Context(), newMemory()); err == nil || !strings.Contains(err.Error(), "Cluster not found") {
		t.Errorf("a cluster that does not exist: %v", err)
	}
}

// TestLateTags tags a task after it was first seen: the next audit finds it.
func TestLateTags(t *testing.T) {
	cloud := awsfake.New(t.Cleanup)
	cloud.Secrets.Set("pre-web", "{}")
	arn := cloud.ECS.Run("prod", "fam", nil)
	c, m := wired(t, cloud)
	st := newMemory()
	sweep := func() {
		t.Helper()
		if err := c.sweep(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	cloud.ECS.Tag(arn, mesh("web"))
	sweep()
	if got := cloud.Calls()["ecs:DescribeTasks"]; got != 1 {
		t.Errorf("a task that was seen is described again outside an audit: %d calls", got)
	}
	st.nextAudit = time.Time{}
	sweep()
	if len(m.tokens) != 1 {
		t.Error("the audit did not see the new tags")
	}
}

// TestOverlappingPages is ECS's list while tasks come and go: a task may stand
// on two pages.
func TestOverlappingPages(t *testing.T) {
	m := newModel()
	m.setSecret("pre-web", "{}")
	m.run("web")
	c := m.controller(t)
	c.asks(func(d *deps) { d.ecs = overlapping{m} })
	st := newMemory()
	if err := c.sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if len(st.tasks.listed) != 1 || len(st.tasks.live[web]) != 1 {
		t.Errorf("one task counts as %d, %v", len(st.tasks.listed), st.tasks.live)
	}
}

type overlapping struct{ *model }

func (o overlapping) ListTasks(ctx context.Context, cluster, page string) ([]string, string, error) {
	arns, _, err := o.model.ListTasks(ctx, cluster, "")
	if page == "" {
		return arns, "again", err
	}
	return arns, "", err
}
