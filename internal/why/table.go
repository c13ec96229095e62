package why

import (
	"maps"
	"syscall"

	"meshtask/internal/event"
	"meshtask/internal/signame"
)

// row is what is said of one code. Both are templates: $text is what is known of it in the
// words of its source, $unit the unit that it is about, and any other name is a fact.
type row struct{ cause, fix string }

// table has one row for each code.
func table() map[event.Code]row {
	all := map[event.Code]row{}
	for _, rows := range []map[event.Code]row{inputRows, meshRows, appRows, taskRows, conditionRows} {
		maps.Copy(all, rows)
	}
	return all
}

// meaning is what an exit code stands for (CONTRACT §3).
func meaning(code int) string {
	switch code {
	case 0:
		return "a good end"
	case 2:
		return "usage, or the app's own"
	case 126:
		return "the command cannot be executed"
	case 127:
		return "the command was not found"
	case 200:
		return "configuration"
	case 201:
		return "secret"
	case 202:
		return "Consul missing or not joined"
	case 203:
		return "registration or ACL"
	case 204:
		return "Envoy missing or not ready"
	case 205:
		return "app never ready"
	case 206:
		return "restart budget spent"
	case 207:
		return "version"
	case 208:
		return "hook"
	case 209:
		return "run time limit"
	case 210:
		return "internal or state directory"
	case 211:
		return "task metadata endpoint"
	}
	if code > 128 && code <= 128+64 {
		return "128 + signal " + signame.Short(syscall.Signal(code-128))
	}
	return "the app's own"
}

var inputRows = map[event.Code]row{
	event.Usage: {
		"The command line is wrong: $text.",
		"See `meshtask help` for the commands and `meshtask help COMMAND` for the flags of one. Write the app's own command after --.",
	},
	event.ConfigRetryJoin: {
		"The configuration names no Consul server to join.",
		"Set consulAgent.retryJoin, MESHTASK_RETRY_JOIN or --retry-join to the addresses of the Consul servers. consul-ecs had them in the settings of its Consul client.",
	},
	event.ConfigBudget: {
		"The stop budget cannot be planned: $text.",
		"Raise shutdown.stopTimeout and ECS's stopTimeout together, or lower the value that is named. `meshtask plan` prints the budget step by step.",
	},
	event.ConfigUser: {
		"The app cannot run as that user: $text.",
		"Set app.user to a name in the image's /etc/passwd, a uid, or uid:gid.",
	},
	event.ConfigProbe: {
		"The readiness command was not found: $text.",
		"Set app.ready.exec to the full path of a program in this image. It is not run by a shell.",
	},
	event.ConfigBad: {
		"The configuration was refused: $text.",
		"Correct the fields that are named. `meshtask config check` reports everything at once, `meshtask config docs` lists every field.",
	},
	event.CommandInterpreter: {
		"The command exists, but its interpreter or loader does not: $text.",
		"Add the interpreter of the #! line to the image, or use a binary built for the image's C library (a static one needs none).",
	},
	event.CommandMachine: {
		"The command is not for this machine: $text.",
		"Build it for the task's runtimePlatform (X86_64 or ARM64), or add a #! line to the script.",
	},
	event.CommandUser: {
		"The app cannot run as its user: $text.",
		"Run the container as root, or remove app.user and set the user in the task definition.",
	},
	event.CommandDirectory: {
		"The app's working directory does not exist: $text.",
		"Correct app.dir, or create the directory in the image.",
	},
	event.CommandNotExecutable: {
		"The command cannot be executed: $text.",
		"Name a file, not a directory, that the app's user may execute (chmod +x in the image).",
	},
	event.CommandNotFound: {
		"The command was not found: $text.",
		"Write its full path, or add its directory to the container's PATH. Shell built-ins and && need sh -c.",
	},
	event.SecretDenied: {
		"A secret may not be read: $text.",
		"Allow $action on $secret in the policy of the task role (taskRoleArn; the execution role is not used).",
	},
	event.SecretKMS: {
		"A secret cannot be decrypted: $text.",
		"Allow kms:Decrypt on the secret's key in the policy of the task role.",
	},
	event.SecretMissing: {
		"A secret does not exist: $text.",
		"Correct the ARN (one of Secrets Manager ends in six characters that it adds), or create the secret in that region.",
	},
	event.SecretVariable: {
		"A secret is read from the environment, but the variable of $secret is not set, or is empty.",
		"Set the variable in the task definition's secrets or environment, or use another form of reference.",
	},
	event.SecretFile: {
		"The file of a secret cannot be read: $text.",
		"Mount the file into this container, readable by its user.",
	},
	event.SecretNotFilled: {
		"A secret exists, but is not filled yet: $text.",
		"Run `meshtask acl-controller` for this cluster with --secret-name-prefix, and tag the task consul.hashicorp.com/mesh=true; or store the token in the secret yourself.",
	},
	event.LoginRole: {
		"The login to Consul has no IAM role to use: $text.",
		"Set taskRoleArn in the task definition.",
	},
	event.LoginRefused: {
		"Consul refuses the login: $text.",
		"Add the task role to BoundIAMPrincipalARNs of the auth method, and create a binding rule for the service.",
	},
	event.Login: {
		"The login to Consul did not succeed: $text.",
		"Check that the Consul server of acl.login.server answers, and that it reaches STS and IAM.",
	},
	event.Secret: {
		"A secret could not be read: $text.",
		"Check the reference, and that the task role may read it. acl.wait is how long meshtask waits for a secret that is not filled yet.",
	},
}

var appRows = map[event.Code]row{
	event.AppOutOfMemory: {
		"The kernel killed the app, or a process of it, because the container's memory was used up.",
		"Raise the container's memory, or limit the app's own use below it. peak_bytes in the summary is what it used.",
	},
	event.AppKilledAtBudget: {
		"The app did not end within its share of the stop, and was killed ($text).",
		"Make the app end on its stop signal (app.stopSignal), or raise shutdown.stopTimeout together with ECS's stopTimeout. `meshtask plan` shows the app's share.",
	},
	event.AppRestartsSpent: {
		"The app ended more often than its restart policy allows ($budget). The last time: $last.",
		"Fix what ends it (see the app's own log), or raise app.restart.max.",
	},
	event.AppNotReadyTCP: {
		"Nothing listens at the app's address $address: $text.",
		"Make the app listen on that address, or set app.ready to the address where it does. In a mesh 127.0.0.1 is enough.",
	},
	event.AppNotReadyHTTP: {
		"The app answers its readiness probe with status $status: $text.",
		"See the app's own log. app.ready.timeout is how long it may take.",
	},
	event.AppNotReady: {
		"The app is not ready: $text.",
		"See the app's own log. app.ready is what is probed, app.ready.timeout how long it may take.",
	},
	event.AppCrashed: {
		"The app crashed: $text.",
		"See the app's last log lines. app.restart can start it again.",
	},
	event.AppKilled: {
		"The app was killed by a signal that meshtask did not send: $text.",
		"Look for an out-of-memory kill of the whole task (stoppedReason in ECS), or for what sends KILL inside the container.",
	},
	event.AppShellNotFound: {
		"The app's shell did not find its command (it exited with 127).",
		"Correct the path in the script. The app's last log line names it.",
	},
	event.AppShellNotExecutable: {
		"The app's shell could not execute its command (it exited with 126).",
		"Make the file executable in the image. The app's last log line names it.",
	},
	event.AppEndedBySignal: {
		"The app was ended by a signal: $text.",
		"Find what sent the signal, inside the container or the app itself (Ctrl-C in its terminal sends INT). See the app's own log.",
	},
	event.AppFailed: {
		"The app ended by itself: $text.",
		"See the app's last log lines. app.restart {\"policy\":\"on-failure\"} would start it again.",
	},
	event.AppWithoutHandler: {
		"The task was stopped by $text, and the signal ended the app: it does not handle it.",
		"Nothing failed. Handle the signal and exit with 0 if that should count as success; a job that is to be retried may keep 143.",
	},
	event.AppAnswered: {
		"The task was stopped by $text, and the app answered with $exit.",
		"See the app's own log. Exit with 0 if that should count as success.",
	},
}

var taskRows = map[event.Code]row{
	event.OutOfMemoryKill: {
		"The kernel killed $unit because the container's memory was used up.",
		"Raise the container's memory: it must hold the Consul agent, Envoy and the app together.",
	},
	event.StateDirectoryInUse: {
		"Another running meshtask uses the state directory: $text.",
		"Set a different --dir (or MESHTASK_DIR) for each task.",
	},
	event.StateDirectory: {
		"No state directory can be used: $text.",
		"Set MESHTASK_DIR to a directory that can be written. With readonlyRootFilesystem, mount a volume for it.",
	},
	event.AdminAddressTaken: {
		"The admin API cannot listen: $text.",
		"Set admin.listen to a free port of a loopback address, admin.metrics to a free port of any of the task's.",
	},
	event.Metadata: {
		"The task metadata endpoint gave no good answer: $text.",
		"Keep ECS_CONTAINER_METADATA_URI_V4 as ECS sets it, and check that no iptables rule or network setting blocks the endpoint.",
	},
	event.RunTimeLimit: {
		"The job did not end within its time limit: $text.",
		"Raise --max-run-time, or see the job's log for what it waits for.",
	},
	event.Internal: {
		"meshtask itself failed: $text.",
		"If the text names nothing of yours, report it with the log at --log-level debug.",
	},
	event.StoppedBeforeUp: {
		"The task was stopped before it was up$while.",
		"See the task's stoppedReason in ECS: often the deployment's circuit breaker, or a health check whose startPeriod is too short. Nothing had failed.",
	},
	event.Silent: {
		"Its process exists, but does not answer: $text.",
		"Wait for ECS to replace the task (`meshtask health` fails meanwhile). The process is stopped (SIGSTOP), frozen, or gets too little CPU.",
	},
	event.KilledInItsStop: {
		"The task was killed when it had been stopping for $text.",
		"Set ECS's stopTimeout to at least shutdown.stopTimeout, and check the container's memory.",
	},
	event.TaskKilled: {
		"The task was killed while it was $text.",
		"See the task's stoppedReason in ECS: a KILL from outside, a lost host, or no memory left for the container.",
	},
	event.KilledAtBudget: {
		"$unit did not end when it was asked to, and was killed ($text).",
		"Raise shutdown.stopTimeout together with ECS's stopTimeout if it had too little time. Otherwise see its own log.",
	},
	event.DrainCut: {
		"The drain ended with $text in flight; these requests were cut off.",
		"Raise shutdown.drain.max (and shutdown.stopTimeout with it), or make clients use shorter requests: over tcp Envoy cannot ask them to leave.",
	},
	event.LeaveUnverified: {
		"The agent's leave was not seen at the servers: $text.",
		"Raise shutdown.stopTimeout, and grant the agent's token node:write. Until the servers reap it, the node stays in the catalog.",
	},
	event.DeregistrationUnverified: {
		"The deregistration was not seen in the catalog: $text.",
		"Raise shutdown.stopTimeout, and grant the token service:write and node:read. The servers remove the instance together with its node.",
	},
	event.GaveUp: {
		"meshtask ended the task: $text.",
		"See the log lines before this one, and use --log-level debug for more.",
	},
	event.Waits: {
		"$unit waits for $text.",
		"$hint",
	},
	event.Restarted: {
		"$unit was restarted ($restarts restarts in all). The last time: $text.",
		"See its own log lines for why it ended. It runs again, as far as the record goes.",
	},
	event.Waited: {
		"Nothing is wrong now. $unit had to wait for $text.",
		"$hint",
	},
	event.OK: {
		"Nothing is wrong, as far as could be seen.",
		"",
	},
	event.Hangs: {
		"$unit runs, but does not answer: $text.",
		"See its own log lines, and give the task more CPU: a process that hangs is stopped, frozen, or gets too little of it.",
	},
	event.AppSuspended: {
		"A signal has stopped the app, which does nothing until it is continued: $text.",
		"Continue it with CONT, sent to meshtask (`kill -CONT`). An app that uses the terminal needs meshtask in the foreground (`fg`), or no terminal (</dev/null).",
	},
	event.LeaseIsLost: {
		"The lease of container $container was lost: its app may have ended without a word.",
		"See the log of that container, and its stoppedReason in ECS.",
	},
}
