package faults

import (
	"slices"
	"syscall"
)

// table is every fault that is made, in the order in which a life could meet them.
func table() []fault {
	return slices.Concat(startFaults(), consulFaults(), serversFaults(), tokenFaults(), envoyFaults(), appFaults(), runningFaults(), stopFaults())
}

// term is the signal with which ECS stops a task.
func term() []syscall.Signal { return []syscall.Signal{syscall.SIGTERM} }

// startFaults keep a task from starting at all.
func startFaults() []fault {
	return []fault{
		{name: "config-wrong", title: "The configuration has mistakes", broken: "The port is 0, and a key is misspelt.",
			before: func(b *bed) { b.set("service.port", 0); b.set("proxi", map[string]any{}) },
			exit:   200, code: "config", says: []string{"service.port", "proxi"}},
		{name: "config-no-server", title: "The configuration names no Consul server", broken: "`consulAgent.retryJoin` is missing.",
			before: func(b *bed) { delete(b.config, "consulAgent") },
			exit:   200, code: "config-retry-join", says: []string{"--retry-join"}},
		{name: "config-stop-budget", title: "The stop budget does not fit", broken: "`shutdown.drain.max` is longer than `shutdown.stopTimeout`.",
			before: func(b *bed) {
				b.set("shutdown.stopTimeout", "10s")
				b.set("shutdown.drain", map[string]any{"min": "20s"})
			},
			exit: 200, code: "config-budget", says: []string{"20s"}},
		{name: "config-user", title: "The app's user does not exist", broken: "`app.user` is a name that the image does not have.",
			before: func(b *bed) { b.set("app.user", "nosuchuser") },
			exit:   200, code: "config-user", says: []string{"nosuchuser", "uid"}},
		{name: "app-missing", title: "The app's program is missing", broken: "The command is not in the image.",
			cmd:  func(*bed) []string { return []string{"no-such-app"} },
			exit: 127, code: "command-not-found", says: []string{"no-such-app", "PATH"}},
		{name: "app-not-executable", title: "The app's program is not executable", broken: "The command is a file without the mode bit x.",
			cmd:  func(b *bed) []string { return []string{b.file("app.sh", "#!/bin/sh\n", 0o644)} },
			exit: 126, code: "command-not-executable", says: []string{"app.sh", "chmod +x"}},
		{name: "app-interpreter", title: "The app's interpreter is missing", broken: "The command is a script whose `#!` line names a program that is not in the image.",
			cmd:  func(b *bed) []string { return []string{b.file("app.py", "#!/opt/no/python3\n", 0o755)} },
			exit: 127, code: "command-interpreter", says: []string{"app.py", "interpreter"}},
		{name: "ready-command-missing", title: "The readiness command is missing", broken: "`app.ready.exec` names a program that is not in the image.",
			before: func(b *bed) { b.set("app.ready", map[string]any{"exec": []string{"/no/such/probe"}}) },
			exit:   200, code: "config-probe", says: []string{"/no/such/probe"}},
		{name: "state-directory", title: "The state directory cannot be made", broken: "`bootstrapDir` lies below a file.",
			before: func(b *bed) { b.set("bootstrapDir", b.file("file", "", 0o644)+"/below") },
			exit:   210, code: "state-directory"},
		{name: "admin-address-taken", title: "The admin address is taken", broken: "Another process has the port of `admin.listen`.",
			before: func(b *bed) { b.taken(9902); b.set("admin.listen", b.address+":9902") },
			exit:   210, code: "admin-address-taken", says: []string{"9902", "admin.listen"}},
		{name: "metadata-endpoint", title: "The task metadata endpoint is dead", broken: "`ECS_CONTAINER_METADATA_URI_V4` names an address where nobody answers.",
			before: func(b *bed) { b.env = []string{"ECS_CONTAINER_METADATA_URI_V4=http://" + b.another() + ":80/v4/x"} },
			exit:   211, code: "metadata", says: []string{"10.0.3.99", "refused"}},
		{name: "metadata-stopped", title: "The task metadata endpoint is dead, and ECS stops the task", broken: "As before, and TERM comes after five seconds.",
			before: func(b *bed) { b.env = []string{"ECS_CONTAINER_METADATA_URI_V4=http://" + b.another() + ":80/v4/x"} },
			act:    func(b *bed) { b.logs("waiting") },
			stop:   term(), exit: 143, code: "metadata", says: []string{"10.0.3.99"}},
		{name: "secret-variable", title: "A secret's variable is empty", broken: "`consulAgent.gossipKey` is `env:GOSSIP`, and nobody sets GOSSIP.",
			before: func(b *bed) { b.set("consulAgent.gossipKey", "env:GOSSIP") },
			exit:   201, code: "secret-variable", says: []string{"env:GOSSIP"}},
		{name: "secret-file", title: "A secret's file is missing", broken: "`consulAgent.gossipKey` is a file that nobody has mounted.",
			before: func(b *bed) { b.set("consulAgent.gossipKey", "file:/run/no/such/key") },
			exit:   201, code: "secret-file", says: []string{"/run/no/such/key", "Mount"}},
		{name: "secret-no-credentials", title: "A secret of AWS, and no task role", broken: "`consulAgent.gossipKey` is a secret of Secrets Manager, and the container has no credentials.",
			before: func(b *bed) {
				b.set("consulAgent.gossipKey", "arn:aws:secretsmanager:us-east-1:123456789012:secret:gossip-AbCdEf")
				b.set("acl.wait", "3s")
				b.env = []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/none", "AWS_SHARED_CREDENTIALS_FILE=/none", "HOME=/none"}
			},
			exit: 201, code: "secret-role", says: []string{"taskRoleArn", "gossip"}},
	}
}
