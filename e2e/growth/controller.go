package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// perService is how many tasks a service has: a cluster of 50 000 has 1 000
// services, whose secrets the controller reads once, at 50 a second.
const perService = 50

const secretPrefix = "shop"

// sweeps are the figures of the controller.
type sweeps struct {
	cpu, calls, rss, peak *series

	mu sync.Mutex
}

// controllers measures quiet sweeps against the tasks of a cluster. Each size has a
// controller, a Consul server and a cloud of its own, and all of them run at once:
// the quota of ECS is what a sweep waits for.
func controllers(b *bench, t harness.T) section {
	s := &sweeps{cpu: newSeries("CPU of a quiet sweep", "ms"), calls: newSeries("API calls of a sweep", ""),
		rss: newSeries("memory at rest", "MB"), peak: newSeries("peak memory", "MB")}
	sizes := pick(b, []int{100, 1000}, []int{100, 1000, 10_000, 50_000})
	errs := make([]error, len(sizes))
	var wg sync.WaitGroup
	for i, size := range sizes {
		bed := b.cluster(t, size)
		errs[i] = errors.New("the measurement has not ended")
		wg.Go(func() { errs[i] = bed.watch(t, s) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("controller: %v", err)
	}
	lines := func(all ...*series) (out []line) {
		for _, one := range all {
			out = append(out, line{one, "", false})
		}
		return out
	}
	return section{
		title: "The ACL controller",
		about: fmt.Sprintf("Sweeps in which nothing has changed, of a cluster with %d tasks for each service, after the first audit has read\n"+
			"every secret and policy; a real Consul server, ECS and Secrets Manager played with ECS's quota. A page of ECS is\n"+
			"100 tasks. CPU is the mean of some sweeps, as the kernel counts it.", perService),
		tables: []table{{size: "tasks", series: []*series{s.cpu, s.calls, s.rss, s.peak}}},
		charts: []chart{
			{file: "benchmarks-controller.svg", title: "A quiet sweep against tasks", x: "tasks", y: "CPU, ms", logX: true, logY: true, lines: lines(s.cpu)},
			{file: "benchmarks-controller-memory.svg", title: "The controller's memory against tasks", x: "tasks", y: "memory, MB", logX: true, lines: lines(s.rss, s.peak)}},
	}
}

// bed is a controller with its cluster.
type bed struct {
	size   int
	cloud  *awsfake.Cloud
	listen string
	*harness.Process
}

func (b bed) services() int { return (b.size + perService - 1) / perService }
func (b bed) pages() int    { return (b.size + 99) / 100 }

// cluster starts a controller for so many tasks, whose policies, tokens and secrets
// are as it would have made them.
func (b *bench) cluster(t harness.T, size int) bed {
	own := bed{size: size, cloud: awsfake.New(t.Cleanup), listen: harness.Address(t) + ":9903"}
	consul := harness.StartServer(t, harness.ServerConfig{ACL: true})
	if err := own.provision(consul.API.ACL()); err != nil {
		t.Fatalf("provision a cluster of %d tasks: %v", size, err)
	}
	env := append(own.cloud.Environment(), "PATH=/usr/bin:/bin", "HOME=/nonexistent", "CONSUL_HTTP_ADDR="+consul.HTTP, "CONSUL_HTTP_TOKEN="+consul.Token)
	own.Process = harness.Start(t, fmt.Sprintf("controller-%d", size), []string{b.program, "acl-controller", "--cluster", awsfake.ClusterARN(own.name()),
		"--secret-name-prefix", secretPrefix, "--interval", "1s", "--audit-interval", "10h", "--listen", own.listen}, env)
	return own
}

func (b bed) name() string { return fmt.Sprintf("cluster-%d", b.size) }

func (b bed) provision(acl *api.ACL) error {
	const workers = 4
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < b.services() && errs[w] == nil; i += workers {
				errs[w] = b.service(acl, name("service", i))
			}
		})
	}
	wg.Wait()
	b.cloud.ECS.AddCluster(b.name())
	for i := range b.size {
		service := name("service", i%b.services())
		b.cloud.ECS.Run(b.name(), "family-of-"+service, map[string]string{
			"consul.hashicorp.com/mesh": "true", "consul.hashicorp.com/service-name": service})
	}
	return errors.Join(errs...)
}

// service makes the policy, the token and the secret of one.
func (b bed) service(acl *api.ACL, name string) error {
	line := " for " + name + " service\nconsul.hashicorp.com/cluster: " + awsfake.ClusterARN(b.name())
	if _, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: name + "-service", Description: "Policy" + line}, nil); err != nil {
		return err
	}
	token, _, err := acl.TokenCreate(&api.ACLToken{Description: "Token" + line, Policies: []*api.ACLLink{{Name: name + "-service"}}}, nil)
	if err == nil {
		b.cloud.Secrets.Set(secretPrefix+"-"+name, fmt.Sprintf(`{"accessor_id":%q,"token":%q}`, token.AccessorID, token.SecretID))
	}
	return err
}

// watch measures windows of sweeps, of thirty calls at least, once the first
// audit is over. It looks at the cloud, not at the controller: to ask it would cost
// more than the sweep.
func (b bed) watch(t harness.T, s *sweeps) error {
	listed := func() int { return b.cloud.Calls()["ecs:ListTasks"] }
	reach := func(what string, n func() int, want int) error {
		return harness.Poll(t.Context(), 2*limit, func() error {
			if got := n(); got < want {
				return fmt.Errorf("%s of %d tasks: %d of %d", what, b.size, got, want)
			}
			return nil
		})
	}
	read := func() int { return b.cloud.Calls()["secretsmanager:GetSecretValue"] }
	if err := reach("secrets read", read, b.services()); err != nil {
		return err
	}
	// The sweep that read them, and one that is quiet.
	if err := reach("calls before the quiet", listed, listed()+b.pages()+1); err != nil {
		return err
	}
	if err := reach("the first quiet sweep", listed, (listed()/b.pages()+1)*b.pages()); err != nil {
		return err
	}
	perWindow := max(1, 30/b.pages())
	windows := 3
	if b.size >= 50_000 {
		windows = 2 // of 40 s each: 12 calls a second are what the controller allows itself
	}
	for range windows {
		if err := b.window(t, s, perWindow, listed, reach); err != nil {
			return err
		}
	}
	return nil
}

// window measures n sweeps.
func (b bed) window(t harness.T, s *sweeps, n int, listed func() int, reach func(string, func() int, int) error) error {
	from := listed()
	calls, err := scraped(t, b.listen)
	before, err2 := cpu(b.PID)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if err := reach("the calls of the sweeps", listed, from+n*b.pages()); err != nil {
		return err
	}
	after, err := cpu(b.PID)
	more, err2 := scraped(t, b.listen)
	rss, err3 := status(b.PID, "VmRSS")
	peak, err4 := status(b.PID, "VmHWM")
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cpu.add(b.size, (after-before)/float64(n))
	s.calls.add(b.size, float64(more-calls)/float64(n))
	s.rss.add(b.size, rss/1024)
	s.peak.add(b.size, peak/1024)
	return nil
}

// scraped is how many API calls the controller has counted.
func scraped(t harness.T, listen string) (sum int, err error) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listen+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		labels, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(labels, "meshtask_acl_api_calls_total{") && strings.Contains(labels, `result="ok"`) {
			n, err := strconv.Atoi(value)
			if err != nil {
				return 0, fmt.Errorf("metrics: %w", err)
			}
			sum += n
		}
	}
	return sum, nil
}
