package why

import (
	"maps"
	"syscall"

	"meshtask/internal/event"
	"meshtask/internal/signame"
)

// row is what is said of one code. Cause and fix are templates: $text is what is known of it in
// our own words, $what is waited for, $how a process has ended, $unit (or, at the begin of a
// sentence, $Unit) is what it is about, and any other name is a fact. What stands in [[ ]] is left
// out where something that it names is not known.
//
// The words of others are never part of a cause: a row that quotes has them beside it.
type row struct {
	cause, fix string
	quotes     bool
}

// say is a row that speaks for itself.
func say(cause, fix string) row { return row{cause: cause, fix: fix} }

// quoting is one beside which the words of others are worth reading.
func quoting(cause, fix string) row { return row{cause: cause, fix: fix, quotes: true} }

// table has one row for each code.
func table() map[event.Code]row {
	all := map[event.Code]row{}
	for _, rows := range []map[event.Code]row{inputRows, meshRows, appRows, taskRows, conditionRows} {
		maps.Copy(all, rows)
	}
	return all
}

// rowOf is what is said of a code, in the case that the facts tell.
func rowOf(code event.Code, facts event.Facts) (row, bool) {
	if r, ok := cases()[code][facts[event.FactCase]]; ok {
		return r, true
	}
	r, ok := table()[code]
	return r, ok
}

// meaning is what an exit code stands for (CONTRACT §3), in brackets; a good end needs no word.
func meaning(code int) string {
	if code == 0 {
		return ""
	}
	return " (" + stands(code) + ")"
}

func stands(code int) string {
	switch code {
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
	event.Usage: say(
		"The command line is wrong: $text.",
		"See `meshtask help` for the commands and `meshtask help COMMAND` for the flags of one. Write the app's own command after --.",
	),
	event.ConfigRetryJoin: say(
		"The configuration names no Consul server to join.",
		"Set consulAgent.retryJoin, MESHTASK_RETRY_JOIN or --retry-join to the addresses of the Consul servers. consul-ecs had them in the settings of its Consul client.",
	),
	event.ConfigBudget: say(
		"The stop budget cannot be planned: $text.",
		"Raise shutdown.stopTimeout and ECS's stopTimeout together, or lower the value that is named. `meshtask plan` prints the budget step by step.",
	),
	event.ConfigUser: say(
		"The app cannot run as that user: $text.",
		"Set app.user to a name in the image's /etc/passwd, a uid, or uid:gid.",
	),
	event.ConfigProbe: say(
		"The readiness command was not found: $text.",
		"Set app.ready.exec to the full path of a program in this image. It is not run by a shell.",
	),
	event.ConfigBad: say(
		"The configuration was refused: $text.",
		"Correct the fields that are named. `meshtask config check` reports everything at once, `meshtask config docs` lists every field.",
	),
	event.CommandInterpreter: say(
		"The command exists, but its interpreter or loader does not: $text.",
		"Add the interpreter of the #! line to the image, or use a binary built for the image's C library (a static one needs none).",
	),
	event.CommandMachine: say(
		"The command is not for this machine: $text.",
		"Build it for the task's runtimePlatform (X86_64 or ARM64), or add a #! line to the script.",
	),
	event.CommandUser: say(
		"The app cannot run as its user: $text.",
		"Run the container as root, or remove app.user and set the user in the task definition.",
	),
	event.CommandDirectory: say(
		"The app's working directory does not exist: $text.",
		"Correct app.dir, or create the directory in the image.",
	),
	event.CommandNotExecutable: say(
		"The command cannot be executed: $text.",
		"Name a file, not a directory, that the app's user may execute (chmod +x in the image).",
	),
	event.CommandNotFound: say(
		"The command was not found: $text.",
		"Write its full path, or add its directory to the container's PATH. Shell built-ins and && need sh -c.",
	),
	event.SecretDenied: quoting(
		"AWS does not let the task role read a secret[[: $secret]].",
		"Allow $action on $secret in the policy of the task role (taskRoleArn; the execution role is not used).",
	),
	event.SecretKMS: quoting(
		"A secret cannot be decrypted[[: $secret]].",
		"Allow kms:Decrypt on the secret's key in the policy of the task role.",
	),
	event.SecretMissing: quoting(
		"A secret does not exist[[: $secret]].",
		"Correct the ARN (one of Secrets Manager ends in six characters that it adds), or create the secret in that region.",
	),
	event.SecretVariable: say(
		"A secret is to be read from the environment, but its variable is not set, or is empty[[: $secret]].",
		"Set the variable in the task definition's secrets or environment, or use another form of reference.",
	),
	event.SecretFile: quoting(
		"The file of a secret cannot be read[[: $secret]].",
		"Mount the file into this container, readable by its user.",
	),
	event.SecretNotFilled: say(
		"A secret exists, but has no value yet[[: $secret]].",
		"Run `meshtask acl-controller` for this cluster with --secret-name-prefix, and tag the task consul.hashicorp.com/mesh=true; or store the token in the secret yourself.",
	),
	event.LoginRole: quoting(
		"There is no IAM role to log in to Consul with.",
		"Set taskRoleArn in the task definition: acl.login proves the task role to Consul.",
	),
	event.LoginRefused: quoting(
		"Consul refuses the login[[ by auth method $method]].",
		"Create the auth method if the servers do not have it, add the task role to its BoundIAMPrincipalARNs, and create a binding rule for the service.",
	),
	event.Login: quoting(
		"The login to Consul did not succeed[[: the server is $server]].",
		"Check that the Consul server of acl.login.server answers, and that it reaches STS and IAM.",
	),
	event.SecretRole: quoting(
		"There are no AWS credentials to read a secret with[[: $secret]].",
		"Set taskRoleArn in the task definition: meshtask reads secrets with the task role (the execution role is not used).",
	),
	event.Secret: quoting(
		"A secret could not be read[[: $secret]].",
		"Check the reference, and that the task role may read it. acl.wait is how long meshtask waits for a secret that is not filled yet.",
	),
}

var appRows = map[event.Code]row{
	event.AppOutOfMemory: say(
		"The kernel killed the app, or a process of it, because the container's memory was used up.",
		"Raise the container's memory, or limit the app's own use below it. peak_bytes in the summary is what it used.",
	),
	event.AppKilledAtBudget: say(
		"The app did not end within its share of the stop, and was killed ($text).",
		"Make the app end on its stop signal (app.stopSignal), or raise shutdown.stopTimeout together with ECS's stopTimeout. `meshtask plan` shows the app's share.",
	),
	event.AppRestartsSpent: say(
		"The app ended more often than its restart policy allows[[ ($budget)]][[. The last time it $how]].",
		"Fix what ends it (see the app's own log), or raise app.restart.max.",
	),
	event.AppNotReadyTCP: say(
		"Nothing listens[[ at $address]], where the app is expected.",
		"Make the app listen on that address, or set app.ready to what the app has.",
	),
	event.AppNotReadyHTTP: quoting(
		"The app answers its readiness probe[[ $address]] with status $status.",
		"See the app's own log for why, or correct app.ready.http. app.ready.timeout is how long it may take.",
	),
	event.AppNotReady: quoting(
		"The app is not ready[[ (asked by $what)]].",
		"See the app's own log. app.ready is what is probed, app.ready.timeout how long it may take.",
	),
	event.AppCrashed: say(
		"The app crashed: it $how.",
		"See the app's last log lines. app.restart can start it again.",
	),
	event.AppKilled: say(
		"The app was killed (SIGKILL), and not by meshtask.",
		"Look for an out-of-memory kill of the whole task (stoppedReason in ECS), or for what sends KILL inside the container.",
	),
	event.AppShellNotFound: say(
		"The app's shell did not find its command (it exited with 127).",
		"Correct the path in the script. The app's last log line names it.",
	),
	event.AppShellNotExecutable: say(
		"The app's shell could not execute its command (it exited with 126).",
		"Make the file executable in the image. The app's last log line names it.",
	),
	event.AppEndedBySignal: say(
		"The app was ended by a signal: it $how.",
		"Find what sent the signal, inside the container or the app itself (Ctrl-C in its terminal sends INT). See the app's own log.",
	),
	event.AppFailed: say(
		"The app ended by itself: it $how.",
		"See the app's last log lines for why. To have it started again, set app.restart to {\"policy\":\"on-failure\"}.",
	),
	event.AppWithoutHandler: say(
		"The task was stopped by $text, and the app died of that signal: it does not handle it.",
		"Nothing failed. Have the app handle the signal and exit with 0 if a stop should count as success.",
	),
	event.AppAnswered: say(
		"The task was stopped by $text, and the app ended with exit code $exit.",
		"See the app's own log. Exit with 0 if that should count as success.",
	),
}

var taskRows = map[event.Code]row{
	event.OutOfMemoryKill: say(
		"The kernel killed $unit because the container's memory was used up.",
		"Raise the container's memory: it must hold the Consul agent, Envoy and the app together.",
	),
	event.StateDirectoryInUse: say(
		"Another running meshtask uses the state directory: $text.",
		"Set a different --dir (or MESHTASK_DIR) for each task.",
	),
	event.StateDirectory: say(
		"No state directory can be used: $text.",
		"Set MESHTASK_DIR to a directory that can be written. With readonlyRootFilesystem, mount a volume for it.",
	),
	event.AdminAddressTaken: say(
		"The admin API cannot listen: $text.",
		"Set admin.listen to a free port of a loopback address, admin.metrics to a free port of any of the task's.",
	),
	event.Metadata: quoting(
		"The task metadata endpoint gives no good answer.",
		"Keep ECS_CONTAINER_METADATA_URI_V4 as ECS sets it, and check that no iptables rule or network setting blocks the endpoint.",
	),
	event.RunTimeLimit: say(
		"The job did not end within its time limit: $text.",
		"Raise --max-run-time, or see the job's log for what it waits for.",
	),
	event.Internal: say(
		"meshtask itself failed: $text.",
		"If the text names nothing of yours, report it with the log at --log-level debug.",
	),
	event.StoppedBeforeUp: say(
		"The task was stopped before it was up$while.",
		"See the task's stoppedReason in ECS: often the deployment's circuit breaker, or a health check whose startPeriod is too short. Nothing had failed.",
	),
	event.Silent: say(
		"Its process exists, but does not answer.",
		"Wait for ECS to replace the task (`meshtask health` fails meanwhile). The process is stopped (SIGSTOP), frozen, or gets too little CPU.",
	),
	event.KilledInItsStop: say(
		"The task was killed when it had been stopping for $text.",
		"Set ECS's stopTimeout to at least shutdown.stopTimeout, and check the container's memory.",
	),
	event.TaskKilled: say(
		"The task was killed while it was $text.",
		"See the task's stoppedReason in ECS: a KILL from outside, a lost host, or no memory left for the container.",
	),
	event.KilledAtBudget: say(
		"$Unit did not end when it was asked to, and was killed ($text).",
		"Raise shutdown.stopTimeout together with ECS's stopTimeout if it had too little time. Otherwise see its own log.",
	),
	event.DrainCut: say(
		"The drain ended before its requests did: $text cut off.",
		"Raise shutdown.drain.max (and shutdown.stopTimeout with it), or make clients use shorter requests: over tcp Envoy cannot ask them to leave.",
	),
	event.LeaveUnverified: quoting(
		"The Consul agent has left, but the servers have not confirmed it.",
		"Raise shutdown.stopTimeout, and grant the agent's token node:write. Until the servers reap it, the node stays in the catalog.",
	),
	event.DeregistrationUnverified: say(
		"The instance was deregistered, but the servers have not confirmed it.",
		"Raise shutdown.stopTimeout, and grant the token service:write and node:read. The servers remove the instance together with its node.",
	),
	event.GaveUp: say(
		"meshtask ended the task: $text.",
		"See the log lines before this one, and use --log-level debug for more.",
	),
	event.Waits: quoting(
		"$Unit waits for $what.",
		"$hint",
	),
	event.Restarted: quoting(
		"$Unit ended and was started again[[: it $how]][[ ($restarts restarts in all)]].",
		"See its own log lines for why it ended.",
	),
	event.OK: say(
		"Nothing is wrong, as far as could be seen.",
		"",
	),
	event.Hangs: say(
		"$Unit runs, but does not answer.",
		"See its own log lines, and give the task more CPU: a process that hangs is stopped, frozen, or gets too little of it.",
	),
	event.AppSuspended: say(
		"The app is $text, and does nothing until it is continued.",
		"Continue it: send CONT to meshtask (`kill -CONT`). An app that uses the terminal needs meshtask in the foreground (`fg`), or no terminal (</dev/null).",
	),
	event.MemoryNearLimit: say(
		"The container's memory is nearly used up: $text.",
		"Raise the container's memory, or find what grows (`meshtask status`, peak_bytes in the summary): the kernel kills a process when it is used up.",
	),
	event.StopBudgetSmall: say(
		"The app has very little time to stop: $text.",
		"Raise shutdown.stopTimeout together with ECS's stopTimeout. `meshtask plan` shows how it is spent.",
	),
	event.StoppedSpot: say(
		"ECS stopped the task because AWS took the Spot capacity back.",
		"Nothing failed. Run what must not be interrupted on FARGATE or on-demand capacity; a service starts another task by itself.",
	),
	event.StoppedByContainer: say(
		"ECS stopped the task because container $container ended[[ with exit code $exit]].",
		"See the log of that container. If the task can do without it, set essential to false in the task definition.",
	),
	event.StoppedUnhealthy: say(
		"ECS stopped the task because container $container is UNHEALTHY.",
		"See the output of that container's healthCheck (`aws ecs describe-tasks`) and its log; raise startPeriod if it only needs longer to start.",
	),
	event.StoppedByECS: quoting(
		"ECS stopped the task, and its metadata endpoint says why.",
		"See the task's stoppedReason and the events of its service.",
	),
	event.LeaseIsLost: say(
		"The lease of container $container was lost: its app may have ended without a word.",
		"See the log of that container, and its stoppedReason in ECS.",
	),
}
