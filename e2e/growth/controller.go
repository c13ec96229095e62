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

// perService is how many tasks a service has: a cluster of 50 000 has 500 services,
// whose secrets the controller reads once, at 50 a second.
const perService = 100

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
	s.cpu.why = "the first 40 pages of a sweep are asked for at once, those behind them at 12 a second, and a call out of\n" +
		"idle costs more than one of many. Sorting the tasks and looking them up is n·log n, and little of it."
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
	calls  int // of a window, at least
	cloud  *awsfake.Cloud
	listen string
	*harness.Process
}

func (b bed) services() int { return (b.size + perService - 1) / perService }
func (b bed) pages() int    { return (b.size + 99) / 100 }

// cluster starts a controller for so many tasks, whose policies, tokens and secrets
// are as it would have made them.
func (b *bench) cluster(t harness.T, size int) bed {
	own := bed{size: size, calls: pick(b, 10, 30), cloud: awsfake.New(t.Cleanup), listen: harness.Address(t) + ":9903"}
	consul := harness.StartServer(t, harness.ServerConfig{ACL: true})
	if err := own.provision(consul.API.ACL()); err != nil {
		t.Fatalf("provision a cluster of %d tasks: %v", size, err)
	}
	env := append(own.cloud.Environment(), "PATH=/usr/bin:/bin", "HOME=/nonexistent", "CONSUL_HTTP_ADDR="+consul.HTTP, "CONSUL_HTTP_TOKEN="+consul.Token)
	own.Process = harness.Start(t, fmt.Sprintf("controller-%d", size), []string{b.program, "acl-controller", "--cluster", awsfake.ClusterARN(own.name()),
		"--secret-name-prefix", secretPrefix, "--interval", own.interval(), "--audit-interval", "10h", "--listen", own.listen}, env)
	return own
}

// interval is as long as ECS's pages take, 12 a second: an audit looks in each
// sweep at as many services as a quarter of the interval allows.
func (b bed) interval() string { return fmt.Sprintf("%ds", 1+b.pages()/12) }

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

// reach waits until a count has come to what is wanted.
func (b bed) reach(t harness.T, what string, count func() int, want int) error {
	return harness.Poll(t.Context(), 2*limit, func() error {
		if got := count(); got < want {
			return fmt.Errorf("%d tasks: %s: %d of %d", b.size, what, got, want)
		}
		return nil
	})
}

func (b bed) listed() int { return b.cloud.Calls()["ecs:ListTasks"] }
func (b bed) read() int   { return b.cloud.Calls()["secretsmanager:GetSecretValue"] }

// tail is longer than what a sweep does behind its last page, and shorter than the
// pause before the next one.
const tail = 300 * time.Millisecond

// watch measures windows of sweeps once the first audit has read all secrets: it
// does so behind a sweep's pages. It looks at the cloud,
// not at the controller: to ask it would cost more than the sweep.
func (b bed) watch(t harness.T, s *sweeps) error {
	if err := b.reach(t, "secrets read", b.read, b.services()); err != nil {
		return err
	}
	pause(t, tail)
	windows := 3
	if b.size >= 50_000 {
		windows = 2 // of 40 s each: the controller allows itself 12 calls a second
	}
	for range windows {
		if err := b.window(t, s, max(1, b.calls/b.pages())); err != nil {
			return err
		}
	}
	return nil
}

// window measures n sweeps, from the pause before the first to that after the last.
func (b bed) window(t harness.T, s *sweeps, n int) error {
	from := b.listed()
	calls, err := scraped(t, b.listen)
	before, err2 := cpu(b.PID)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if err := b.reach(t, "the calls of the sweeps", b.listed, from+n*b.pages()); err != nil {
		return err
	}
	pause(t, tail)
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
