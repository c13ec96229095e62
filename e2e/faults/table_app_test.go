package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/event"
)

func sh(script string) func(*bed) []string {
	return func(*bed) []string { return []string{"/bin/sh", "-c", script} }
}

// started has the app count as ready once it runs.
func started(b *bed) { b.set("app.ready", "started") }

// appFaults are the app's own.
func appFaults() []fault {
	unready := func(b *bed) { b.set("app.ready", map[string]any{"tcp": b.address + ":8080", "timeout": "8s"}) }
	return []fault{
		{name: "app-fails", title: "The app fails", broken: "The app prints a line and exits with 1.",
			before: started, cmd: sh("echo 'cannot open the database'; exit 1"),
			exit: 1, code: "app-failed", says: []string{"exited with 1"}},
		{name: "app-shell-not-found", title: "The app's script calls what is not there", broken: "The command is `sh -c no-such-program`.",
			before: started, cmd: sh("no-such-program"),
			exit: 127, code: "app-shell-not-found"},
		{name: "app-fails-often", title: "The app fails again and again", broken: "`app.restart` allows one restart, and the app exits with 1 each time.",
			before: func(b *bed) {
				started(b)
				b.set("app.restart", map[string]any{"policy": "on-failure", "max": 1, "window": "60s", "backoff": "10ms"})
			},
			cmd:  sh("exit 1"),
			exit: 206, code: "app-restarts-spent", says: []string{"exited with 1"}},
		{name: "app-crashes", title: "The app crashes", broken: "The app ends of SIGSEGV.",
			before: started, cmd: sh("kill -SEGV $$"),
			exit: 139, code: "app-crashed", says: []string{"SIGSEGV"}},
		{name: "app-killed", title: "The app is killed", broken: "Somebody in the container sends KILL to the app.", up: true,
			act:  killed("app", 1),
			exit: 137, code: "app-killed", says: []string{"SIGKILL"}},
		{name: "app-never-listens", title: "The app never listens", broken: "The app runs and opens no port; `app.ready` is given up on after its time-out.",
			before: unready, cmd: sh("trap 'exit 0' TERM; sleep 600 & wait"),
			live: "app-not-ready-tcp", not: []string{"app-ready"}, exit: 205, code: "app-not-ready-tcp", says: []string{"10.0.1.20:8080"}},
		{name: "app-never-listens-term", title: "The app never listens, and ECS stops the task", broken: "As before, and TERM comes first.",
			cmd:  sh("exec sleep 600"),
			act:  func(b *bed) { b.logs("waiting") },
			live: "app-not-ready-tcp", stop: term(), exit: 143, code: "app-not-ready-tcp", says: []string{"10.0.1.20:8080"}},
		{name: "app-ready-404", title: "The readiness probe gets an error", broken: "`app.ready.http` asks for a page that the app does not have.",
			before: func(b *bed) {
				b.set("app.ready", map[string]any{"http": "http://" + b.address + ":8080/no/such/page", "timeout": "8s"})
			},
			live: "app-not-ready-http", exit: 205, code: "app-not-ready-http", says: []string{"404", "app.ready"}},
		{name: "app-ready-exec", title: "The readiness command fails", broken: "`app.ready.exec` exits with 1 each time.",
			before: func(b *bed) {
				b.set("app.ready", map[string]any{"exec": []string{"/bin/sh", "-c", "echo still warming up; exit 1"}, "timeout": "8s"})
			},
			live: "app-not-ready", exit: 205, code: "app-not-ready", says: []string{"app.ready"}},
		{name: "app-ready-fd", title: "The app closes its readiness descriptor", broken: "`app.ready.fd` is 3, and the app closes it without a line.",
			before: func(b *bed) { b.set("app.ready", map[string]any{"fd": 3, "timeout": "8s"}) },
			cmd:    sh("exec 3>&-; trap 'exit 0' TERM; sleep 600 & wait"),
			exit:   205, code: "app-not-ready", says: []string{"descriptor 3"}},
		{name: "app-port-taken", title: "The app's port is taken", broken: "Another process has the app's port; the app says so and exits with 1.",
			before: func(b *bed) { b.taken(8080); started(b) },
			exit:   1, code: "app-failed", says: []string{"exited with 1"}},
		{name: "app-suspended", title: "The app is stopped by a signal", broken: "The app gets SIGSTOP, as one does that reads from a terminal in the background.", up: true,
			act:  func(b *bed) { b.signal(b.pid("app", 1), syscall.SIGSTOP) },
			live: "app-suspended", not: []string{"app-ready"}, stop: term(), exit: 0, code: "app-suspended", says: []string{"CONT"}},
		{name: "job-fails", title: "A job fails", broken: "`run --job` runs a command that exits with 3.",
			before: func(b *bed) { delete(b.config["service"].(map[string]any), "port") },
			args:   []string{"run", "--job"}, cmd: sh("exit 3"),
			exit: 3, code: "app-failed", says: []string{"exited with 3"}},
		{name: "job-takes-too-long", title: "A job takes too long", broken: "`--max-run-time` is three seconds, and the job sleeps.",
			before: func(b *bed) { delete(b.config["service"].(map[string]any), "port") },
			args:   []string{"run", "--job", "--max-run-time", "3s"}, cmd: sh("trap 'exit 0' TERM; sleep 600 & wait"),
			exit: 209, code: "run-time-limit", says: []string{"3s"}},
	}
}

// checked gives the app a health check that looks for a file.
func checked(b *bed) string {
	name := b.file("healthy", "", 0o644)
	b.set("health.app", map[string]any{"command": []string{"CMD-SHELL", "test -e " + name}, "interval": 5, "retries": 1})
	return name
}

// runningFaults are those of a task that has reached its marks.
func runningFaults() []fault {
	return []fault{
		{name: "app-unhealthy", title: "The app's health check fails", broken: "`health.app` passes at first, then fails.", up: true,
			before: func(b *bed) { checked(b) },
			act: func(b *bed) {
				if err := os.Remove(filepath.Join(b.dir, "healthy")); err != nil {
					b.t.Fatal(err)
				}
			},
			live: "app-unhealthy", not: []string{"app-healthy"}, stop: term(), exit: 0, code: "app-unhealthy", says: []string{"exit code 1", "health.app"}},
		{name: "app-unhealthy-from-start", title: "The app's health check never passes", broken: "`health.app` fails from the start, and the app does not handle TERM.",
			before: func(b *bed) {
				started(b)
				b.set("health.app", map[string]any{"command": []string{"CMD-SHELL", "exit 1"}, "interval": 5, "retries": 1})
			},
			cmd:  sh("exec sleep 600"),
			live: "app-unhealthy", stop: term(), exit: 143, code: "app-unhealthy", says: []string{"exit code 1", "health.app"}},
		{name: "servers-die", title: "The Consul servers die", broken: "The task is up; then the only Consul server is killed.", own: true, up: true,
			act:  func(b *bed) { b.server.Kill() },
			live: "servers-unreachable", not: []string{"servers-reachable"}, stop: term(), exit: 0, code: "servers-unreachable"},
		{name: "deregistered", title: "Somebody deregisters the instance", broken: "The task is up; then service and sidecar are taken from the servers' catalog.", up: true,
			act:  deregister,
			live: "not-registered", not: []string{"registered"}, stop: term(), exit: 0, code: "not-registered"},
		{name: "check-critical", title: "A check of the service fails", broken: "`service.checks` has a TCP check of a port on which nobody listens.",
			before: func(b *bed) {
				b.set("service.checks", []any{map[string]any{"name": "database", "tcp": b.another() + ":5432", "interval": "1s", "timeout": "1s"}})
			},
			live: "checks-critical", not: []string{"checks-passing"}, stop: term(), exit: 0, code: "checks-critical", says: []string{"database"}},
		{name: "upstream-no-instance", title: "An upstream has no instance", broken: "Upstream ledger is a service that nobody runs.", up: true,
			before: func(b *bed) { b.upstream("ledger") },
			live:   "upstream-no-instance", not: []string{"upstream:ledger"}, stop: term(), exit: 0, code: "upstream-no-instance", says: []string{"ledger"}},
		{name: "upstream-denied", title: "An intention denies an upstream", broken: "Upstream vault runs, and an intention denies it to web.", up: true,
			before: denied,
			live:   "upstream-denied", not: []string{"upstream:vault"}, stop: term(), exit: 0, code: "upstream-denied", says: []string{"vault", "consul intention create -allow web vault"}},
		{name: "out-of-memory", title: "The kernel kills the app for want of memory", broken: "The container's memory is used up, and the kernel kills the app.",
			before: func(b *bed) { b.memory(512<<20, 300<<20) },
			cmd: func(b *bed) []string {
				return []string{"/bin/sh", "-c", fmt.Sprintf("%s & sleep 2; echo oom_kill 1 | tee %s/memory.events > %s/memory/memory.oom_control; kill %%1; kill -KILL $$", quoted(b.app()), b.cgroup, b.cgroup)}
			},
			exit: 137, code: "app-out-of-memory", says: []string{"memory"}},
		{name: "memory-near-limit", title: "The container's memory is nearly used up", broken: "The container uses 500 of its 512 MiB.", up: true,
			before: func(b *bed) { b.memory(512<<20, 500<<20) },
			live:   "memory-near-limit", not: []string{"memory"}, stop: term(), exit: 0, code: "memory-near-limit", says: []string{"512"}},
		{name: "lease-lost", title: "An app container ends without a word", broken: "The app runs in a container of its own, which is killed.", cmd: none,
			before: func(b *bed) { b.siblings() },
			act: func(b *bed) {
				app := b.sibling("web", "--", harness.App(b.t), "--listen", b.address+":8080")
				b.Await(b.t, soon, "up", "app", "step", "lease")
				b.up()
				app.Kill()
			},
			live: "lease-lost", not: []string{"leases"}, stop: term(), exit: 0, code: "lease-lost", says: []string{"web"}},
		{name: "lease-never", title: "No app container takes a lease", broken: "`meshtask run` runs without a command, and no `meshtask app` comes.", cmd: none,
			before: func(b *bed) { b.siblings() },
			act:    func(b *bed) { b.logs("waiting") },
			live:   "app-not-ready-tcp", stop: term(), exit: 0, code: "app-not-ready-tcp"},
		{name: "mesh-not-there", title: "The mesh container does not come", broken: "`meshtask app` waits for a mesh container that nobody runs.", bare: true,
			before: func(b *bed) { b.args = []string{"app", "--mesh", b.address + ":9902", "--wait", "3s"} },
			cmd:    sh("exec sleep 600"),
			exit:   204, code: "mesh-not-there", says: []string{"10.0.1.20:9902"}},
	}
}

// none is a task whose apps are in other containers.
func none(*bed) []string { return nil }

// deregister takes the instance and its sidecar out of the catalog until the task has seen it:
// the agent's own sync, which may be about to come, would put them back.
func deregister(b *bed) {
	b.t.Helper()
	harness.Eventually(b.t, looked, "the task sees that it is not registered", func() error {
		if err := b.remove(); err != nil {
			return err
		}
		s, err := b.status()
		if err == nil && !slices.ContainsFunc(s.Conditions, func(c condition) bool { return c.Name == event.CondRegistered && !c.OK }) {
			err = fmt.Errorf("conditions %+v", s.Conditions)
		}
		return err
	})
}

// remove takes the instance and its sidecar out of the catalog, once.
func (b *bed) remove() error {
	services, _, err := b.server.API.Catalog().Service("web", "", nil)
	if err != nil {
		return err
	}
	for _, s := range services {
		if s.ServiceAddress != b.address && s.Address != b.address {
			continue
		}
		for _, id := range []string{s.ServiceID, s.ServiceID + "-sidecar-proxy"} {
			if _, err := b.server.API.Catalog().Deregister(&api.CatalogDeregistration{Node: s.Node, ServiceID: id}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// denied runs an upstream that an intention denies.
func denied(b *bed) {
	b.t.Helper()
	b.upstream("vault")
	b.server.Entry(b.t, &api.ServiceIntentionsConfigEntry{Kind: api.ServiceIntentions, Name: "vault", Sources: []*api.SourceIntention{{Name: "web", Action: api.IntentionActionDeny}}})
	address := harness.Address(b.t)
	if _, err := b.server.API.Catalog().Register(&api.CatalogRegistration{Node: "vault-" + b.format, Address: address, SkipNodeUpdate: false,
		Service: &api.AgentService{ID: "vault", Service: "vault", Port: 8080, Address: address}}, nil); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.server.API.Catalog().Register(&api.CatalogRegistration{Node: "vault-" + b.format, Address: address, SkipNodeUpdate: true,
		Service: &api.AgentService{Kind: api.ServiceKindConnectProxy, ID: "vault-sidecar-proxy", Service: "vault-sidecar-proxy", Port: 20000, Address: address,
			Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "vault"}}}, nil); err != nil {
		b.t.Fatal(err)
	}
}

// stopFaults are about the end.
func stopFaults() []fault {
	return []fault{
		{name: "app-without-handler", title: "The app does not handle TERM", broken: "The app is a program without a handler; nothing else is wrong.",
			before: started, cmd: sh("exec sleep 600"), up: true,
			live: "ok", stop: term(), exit: 143, code: "app-without-handler"},
		{name: "app-answers", title: "The app answers TERM with a code", broken: "The app ends with 3 when it gets TERM.",
			before: started, cmd: sh("trap 'exit 3' TERM; sleep 600 & wait"), up: true,
			stop: term(), exit: 3, code: "app-answered", says: []string{"3"}},
		{name: "app-ignores-term", title: "The app ignores TERM", broken: "The app goes on, and is killed at the end of its share of the stop.",
			before: func(b *bed) { started(b); b.set("shutdown.stopTimeout", "8s") }, cmd: sh("trap '' TERM; while :; do sleep 1; done"), up: true,
			stop: term(), exit: 137, code: "app-killed-at-budget", says: []string{"app.stopSignal"}},
		{name: "requests-cut", title: "Requests are cut at the stop", broken: "A request through the mesh takes longer than `shutdown.drain.max`.", own: true, up: true,
			before: func(b *bed) { b.set("shutdown.drain", map[string]any{"max": "1s", "propagationWait": "0s"}) },
			cmd:    func(b *bed) []string { return b.app("--term", "exit") },
			act:    inFlight,
			stop:   term(), exit: 0, code: "drain-cut", says: []string{"1 request", "shutdown.drain.max"}},
		{name: "stop-budget-small", title: "The app has no time to stop", broken: "`app.stopTimeout` is a tenth of a second, and the app takes longer.", up: true,
			before: func(b *bed) { b.set("app.stopTimeout", "100ms") },
			cmd:    func(b *bed) []string { return b.app("--term", "ignore") },
			live:   "stop-budget-small", not: []string{"stop-budget"}, stop: term(), exit: 137, code: "app-killed-at-budget", says: []string{"shutdown.stopTimeout"}},
		{name: "killed", title: "The task is killed while it runs", broken: "meshtask itself gets KILL, as when the whole container runs out of memory.", up: true,
			stop: []syscall.Signal{syscall.SIGKILL}, exit: 137, code: "killed", says: []string{"stoppedReason"}},
		{name: "killed-in-its-stop", title: "ECS kills the task in its stop", broken: "The app needs its time, and KILL comes before `shutdown.stopTimeout` is over.",
			before: started, cmd: sh("trap '' TERM; while :; do sleep 1; done"), up: true,
			act: func(b *bed) {
				b.signal(b.PID, syscall.SIGTERM)
				b.Await(b.t, soon, "down", "app", "stop", "")
			},
			stop: []syscall.Signal{syscall.SIGKILL}, exit: 137, code: "killed-in-its-stop", says: []string{"stopTimeout"}},
		{name: "spot", title: "Fargate Spot takes the task back", broken: "The metadata endpoint says why the task is stopped, then TERM comes.", up: true,
			before: func(b *bed) { b.metadata() },
			act: func(b *bed) {
				b.endpoint.Task(map[string]any{"DesiredStatus": "STOPPED", "StopCode": "SpotInterruption", "StoppedReason": "Your Spot Task was interrupted."})
			},
			stop: term(), exit: 0, code: "stopped-spot", says: []string{"Spot"}},
		{name: "stopped-by-another-container", title: "Another container ends, and ECS stops the task", broken: "Container log-router ends with 1; it is essential, so ECS stops the task.", up: true,
			before: func(b *bed) { b.metadata(); b.endpoint.Set("log-router", "", nil) },
			act: func(b *bed) {
				b.endpoint.Set("log-router", "", map[string]any{"KnownStatus": "STOPPED", "ExitCode": 1, "FinishedAt": time.Now().UTC().Format(time.RFC3339Nano)})
				b.endpoint.Task(map[string]any{"DesiredStatus": "STOPPED", "ExecutionStoppedAt": time.Now().UTC().Format(time.RFC3339Nano)})
			},
			stop: term(), exit: 0, code: "stopped-by-container", says: []string{"log-router", "1"}},
	}
}
