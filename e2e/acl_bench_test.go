package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// The budget of a quiet sweep: 10 000 tasks of 1 000 services. CPU time is measured against
// package e2e/sweep, which reads the same in the same run: what a call costs is the machine's.
const (
	quietTasks    = 10_000
	quietServices = 1_000
	quietCalls    = 101
	quietCPU      = 1.5 // times the floor
	quietRSS      = 60 << 20
)

// BenchmarkControllerQuietSweep measures the shipped program with a real Consul
// server and the fake cloud: calls, CPU time and memory of sweeps that change
// nothing, once the first audit has read every secret and policy. ECS's quota,
// not the program, decides how long a sweep takes.
func BenchmarkControllerQuietSweep(b *testing.B) {
	bed := newACLBed(b)
	bed.provision(b, "prod")
	quietSweep(b, bed, quietBudget{calls: quietCalls, rss: quietRSS})
}

// BenchmarkControllerAgentlessSweep is the same while each task has a service and a
// sidecar on the cluster's node: two calls more, and the floor reads them too.
func BenchmarkControllerAgentlessSweep(b *testing.B) {
	bed := newACLBed(b)
	bed.provision(b, "prod")
	bed.populate(b, "prod")
	node := awsfake.ClusterARN("prod")
	quietSweep(b, bed, quietBudget{calls: quietCalls + 2, rss: 3 * quietRSS, nodes: []string{node}}, "--agentless")
	if n := len(bed.on(b, node)); n != 2*quietTasks {
		b.Errorf("%d services are left, want %d", n, 2*quietTasks)
	}
}

// quietBudget is what a sweep may cost.
type quietBudget struct {
	calls int
	rss   int
	nodes []string // whose services are read
}

func quietSweep(b *testing.B, bed *aclBed, budget quietBudget, flags ...string) {
	b.Helper()
	listen := harness.Address(b) + ":9903"
	argv, env := bed.command(b, bed.consul.HTTP, "prod", append(flags, "--audit-interval", "10h", "--listen", listen)...)
	argv[0] = harness.Plain(b)
	p := harness.Start(b, "controller", argv, env)
	count := func(name, label string) (n int) {
		harness.Eventually(b, time.Minute, "metrics", func() (err error) {
			n, err = counted(listen, name, label)
			return err
		})
		return n
	}
	sweeps := func() int { return count("meshtask_acl_sweeps_total", `result="ok"`) }
	good := func() int { return count("meshtask_acl_api_calls_total", `result="ok"`) }
	await := func(n int) {
		harness.Eventually(b, 5*time.Minute, fmt.Sprintf("sweep %d", n), func() error {
			if got := sweeps(); got < n {
				return fmt.Errorf("%d so far", got)
			}
			return nil
		})
	}
	harness.Eventually(b, 5*time.Minute, "the end of the first audit", func() error {
		if n := bed.cloud.Calls()["secretsmanager:GetSecretValue"]; n < quietServices {
			return fmt.Errorf("%d secrets read", n)
		}
		return nil
	})
	for quiet := false; !quiet; quiet = len(bed.cloud.Calls()) == 1 {
		await(sweeps() + 1)
		bed.cloud.ResetCalls()
		await(sweeps() + 2) // one from its beginning
	}
	bed.cloud.ResetCalls()
	from, cpu, before := sweeps(), cpuTime(b, p.PID), good()
	n := max(1, min(b.N, 3)) // one takes some 10 s
	b.ResetTimer()
	// Watched from the fake's side: asking the controller every 10 ms costs it
	// more than the sweep.
	harness.Eventually(b, 5*time.Minute, "the sweeps", func() error {
		if got := bed.cloud.Calls()["ecs:ListTasks"]; got < n*quietTasks/100 {
			return fmt.Errorf("%d calls so far", got)
		}
		return nil
	})
	await(from + n)
	b.StopTimer()
	calls, done := good()-before, sweeps()-from
	used := (cpuTime(b, p.PID) - cpu) / time.Duration(done)
	rss := memory(b, p.PID, "VmRSS")
	b.ReportMetric(float64(calls)/float64(done), "calls/sweep") // without those repeated after a lost answer
	b.ReportMetric(used.Seconds(), "cpu-s/sweep")
	b.ReportMetric(float64(rss)/(1<<20), "RSS-MiB")
	b.ReportMetric(float64(memory(b, p.PID, "VmHWM"))/(1<<20), "peak-MiB")
	p.Kill() // it would sweep beside the floor
	times := used.Seconds() / sweepFloor(b, env, n, budget.nodes)
	b.ReportMetric(times, "cpu÷floor")
	if asked := bed.cloud.Calls(); len(asked) > 1 || calls > budget.calls*done || times > quietCPU || rss > budget.rss {
		b.Errorf("over budget: %d calls in %d sweeps (AWS: %v), %v CPU (%.1f times the floor), %d MiB", calls, done, asked, used, times, rss>>20)
	}
}

// sweepFloor is what a sweep by hand takes, in seconds of CPU time: the mean of n.
func sweepFloor(b *testing.B, env []string, n int, nodes []string) float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), harness.Sweep(b), append([]string{awsfake.ClusterARN("prod"), strconv.Itoa(n)}, nodes...)...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return seconds
}

// populate registers every task of a cluster as one without an agent does, but in transactions: a
// registration takes Consul the longer, the more its node has.
func (bed *aclBed) populate(b *testing.B, cluster string) {
	b.Helper()
	node := awsfake.ClusterARN(cluster)
	if _, err := bed.consul.API.Catalog().Register(&api.CatalogRegistration{Node: node, Address: "127.0.0.1", NodeMeta: map[string]string{"synthetic-node": "true"}}, nil); err != nil {
		b.Fatal(err)
	}
	var ops api.TxnOps
	for i := range quietTasks {
		arn := fmt.Sprintf("arn:aws:ecs:%s:%s:task/%s/%032x", awsfake.Region, awsfake.Account, cluster, i+1)
		for _, s := range pairOf(fmt.Sprintf("service-%04d", i%quietServices), arn) {
			ops = append(ops, &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: node, Service: *s}})
		}
	}
	for some := range slices.Chunk(ops, 128) {
		if ok, answer, _, err := bed.consul.API.Txn().Txn(some, nil); err != nil || !ok {
			b.Fatalf("%v, %v", answer, err)
		}
	}
}

// provision makes what a controller would have made.
func (bed *aclBed) provision(b *testing.B, cluster string) {
	b.Helper()
	acl := bed.consul.API.ACL()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for w := range errs {
		wg.Go(func() {
			for i := w; i < quietServices && errs[w] == nil; i += len(errs) {
				name := fmt.Sprintf("service-%04d", i)
				line := " for " + name + " service\nconsul.hashicorp.com/cluster: " + awsfake.ClusterARN(cluster)
				_, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: name + "-service", Description: "Policy" + line}, nil)
				token, _, err2 := acl.TokenCreate(&api.ACLToken{Description: "Token" + line, Policies: []*api.ACLLink{{Name: name + "-service"}}}, nil)
				if errs[w] = errors.Join(err, err2); errs[w] == nil {
					bed.cloud.Secrets.Set(aclPrefix+"-"+name, fmt.Sprintf(`{"accessor_id":%q,"token":%q}`, token.AccessorID, token.SecretID))
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	for i := range quietTasks {
		bed.mesh(cluster, fmt.Sprintf("service-%04d", i%quietServices))
	}
}

// counted sums the controller's counters of that name that have the label.
func counted(listen, name, label string) (sum int, err error) {
	text, err := scrape(listen, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		labels, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(labels, name+"{") || !strings.Contains(labels, label) {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// cpuTime is what a process has used, user and system, in ticks of 10 ms.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is a line of /proc/PID/status, in bytes.
func memory(t testing.TB, pid int, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(v)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s", name)
	return 0
}
