package why

import (
	"slices"
	"syscall"

	"meshtask/internal/signame"
)

// table is every rule. The first one that holds for a symptom answers, so that what is
// particular stands above what is general; the rest rows know every symptom.
func table() []rule {
	return slices.Concat(inputRules, secretRules, consulRules, envoyRules, appRules, taskRules, restRules)
}

// A wait, what ends when it has been too long, and what is stopped in it have one cause.
var (
	both  = []kind{gaveUp, waiting, waited, unstarted}
	waits = []kind{waiting, waited, unstarted}
)

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

var inputRules = []rule{
	{name: "usage", kinds: []kind{gaveUp}, says: `(?s)^(unknown command|\S+: (unknown flag|unexpected argument|a command is needed|.* exclude each other)).*`,
		cause: "The command line is wrong: $text.", fix: "See `meshtask help` for the commands and `meshtask help COMMAND` for the flags of one. Write the app's own command after --."},
	{name: "config-retry-join", kinds: []kind{gaveUp}, says: `consulAgent\.retryJoin: required`,
		cause: "The configuration names no Consul server to join.", fix: "Set consulAgent.retryJoin, MESHTASK_RETRY_JOIN or --retry-join to the addresses of the Consul servers. consul-ecs had them in the settings of its Consul client."},
	{name: "config-budget", kinds: []kind{gaveUp}, says: `(?s)shutdown\.\S+: .*(fit|least|leaves).*`,
		cause: "The stop budget cannot be planned: $text.", fix: "Raise shutdown.stopTimeout and ECS's stopTimeout together, or lower the value that is named. `meshtask plan` prints the budget step by step."},
	{name: "config-user", kinds: []kind{gaveUp}, says: `app\.user: (.*)`,
		cause: "The app cannot run as that user: $1.", fix: "Set app.user to a name in the image's /etc/passwd, a uid, or uid:gid."},
	{name: "config-probe", kinds: []kind{gaveUp}, says: `app\.ready\.exec: (.*)`,
		cause: "The readiness command was not found: $1.", fix: "Set app.ready.exec to the full path of a program in this image. It is not run by a shell."},
	{name: "config", kinds: []kind{gaveUp}, codes: []int{200},
		cause: "The configuration was refused: $text.", fix: "Correct the fields that are named. `meshtask config check` reports everything at once, `meshtask config docs` lists every field."},
	{name: "config", kinds: []kind{gaveUp}, says: `(?s)^bad configuration.*`,
		cause: "The configuration was refused: $text.", fix: "Correct the fields that are named. `meshtask config check` reports everything at once, `meshtask config docs` lists every field."},
	{name: "command-interpreter", kinds: []kind{gaveUp}, says: `interpreter does not`,
		cause: "The command exists, but its interpreter or loader does not: $text.", fix: "Add the interpreter of the #! line to the image, or use a binary built for the image's C library (a static one needs none)."},
	{name: "command-machine", kinds: []kind{gaveUp}, says: `no program for this machine`,
		cause: "The command is not for this machine: $text.", fix: "Build it for the task's runtimePlatform (X86_64 or ARM64), or add a #! line to the script."},
	{name: "command-user", kinds: []kind{gaveUp}, says: `cannot become user`,
		cause: "The app cannot run as its user: $text.", fix: "Run the container as root, or remove app.user and set the user in the task definition."},
	{name: "command-directory", kinds: []kind{gaveUp}, says: `the working directory`,
		cause: "The app's working directory does not exist: $text.", fix: "Correct app.dir, or create the directory in the image."},
	{name: "command-not-executable", kinds: []kind{gaveUp}, codes: []int{126},
		cause: "The command cannot be executed: $text.", fix: "Name a file, not a directory, that the app's user may execute (chmod +x in the image)."},
	{name: "command-not-found", kinds: []kind{gaveUp}, codes: []int{127},
		cause: "The command was not found: $text.", fix: "Write its full path, or add its directory to the container's PATH. Shell built-ins and && need sh -c."},
	{name: "command-not-executable", kinds: []kind{gaveUp}, says: `^\S+: it is (a directory|not executable): `,
		cause: "The command cannot be executed: $text.", fix: "Name a file, not a directory, that the app's user may execute (chmod +x in the image)."},
	{name: "command-not-found", kinds: []kind{gaveUp}, says: `^\S+: (file does not exist|.*no such file or directory)`,
		cause: "The command was not found: $text.", fix: "Write its full path, or add its directory to the container's PATH. Shell built-ins and && need sh -c."},
}

var secretRules = []rule{
	{name: "secret-denied", kinds: both, says: `(?s)(?:secret )?(\S+): .*the task role needs (\S+)`,
		cause: "A secret may not be read: $text.", fix: "Allow $2 on that ARN in the policy of the task role (taskRoleArn; the execution role is not used)."},
	{name: "secret-kms", kinds: both, says: `(?i)kms`, unit: "token",
		cause: "A secret cannot be decrypted: $text.", fix: "Allow kms:Decrypt on the secret's key in the policy of the task role."},
	{name: "secret-missing", kinds: both, says: `ResourceNotFoundException|ParameterNotFound`,
		cause: "A secret does not exist: $text.", fix: "Correct the ARN (one of Secrets Manager ends in six characters that it adds), or create the secret in that region."},
	{name: "secret-variable", kinds: both, says: `secret (env:\S+): the variable is not set`,
		cause: "A secret is read from the environment, but the variable of $1 is not set, or is empty.", fix: "Set the variable in the task definition's secrets or environment, or use another form of reference."},
	{name: "secret-file", kinds: both, says: `secret file:(\S+): (.*)`,
		cause: "The file of a secret cannot be read: $2.", fix: "Mount the file into this container, readable by its user."},
	{name: "secret-not-filled", kinds: both, says: `(?:secret )?(\S+): (.*): not filled yet|it (?:is empty|has no (?:key|value))`,
		cause: "A secret exists, but is not filled yet: $text.", fix: "Run `meshtask acl-controller` for this cluster with --secret-name-prefix, and tag the task consul.hashicorp.com/mesh=true; or store the token in the secret yourself."},
	{name: "login-role", kinds: both, says: `assumed role|taskRoleArn|AWS credentials`,
		cause: "The login to Consul has no IAM role to use: $text.", fix: "Set taskRoleArn in the task definition."},
	{name: "login-refused", kinds: both, says: `(?s)acl\.login: .*(403|Permission denied|ACL not found).*`,
		cause: "Consul refuses the login: $text.", fix: "Add the task role to BoundIAMPrincipalARNs of the auth method, and create a binding rule for the service."},
	{name: "login", kinds: []kind{gaveUp}, says: `(?s)acl\.login: (.*)`,
		cause: "The login to Consul did not succeed: $1.", fix: "Check that the Consul server of acl.login.server answers, and that it reaches STS and IAM."},
	{name: "secret", kinds: waits, unit: "token",
		cause: "The task's secrets cannot be read yet: $text.", fix: "$hint"},
	{name: "secret", kinds: []kind{gaveUp}, codes: []int{201},
		cause: "A secret could not be read: $text.", fix: "Check the reference, and that the task role may read it. acl.wait is how long meshtask waits for a secret that is not filled yet."},
}

var appRules = []rule{
	{name: "app-out-of-memory", kinds: []kind{outOfMemory}, unit: "app",
		cause: "The kernel killed the app, or a process of it, because the container's memory was used up.", fix: "Raise the container's memory, or limit the app's own use below it. peak_bytes in the summary is what it used."},
	{name: "out-of-memory", kinds: []kind{outOfMemory},
		cause: "The kernel killed $unit because the container's memory was used up.", fix: "Raise the container's memory: it must hold the Consul agent, Envoy and the app together."},
	{name: "app-killed-at-budget", kinds: []kind{killed}, unit: "app",
		cause: "The app did not end within its share of the stop, and was killed ($text).", fix: "Make the app end on its stop signal (app.stopSignal), or raise shutdown.stopTimeout together with ECS's stopTimeout. `meshtask plan` shows the app's share."},
	{name: "app-restarts-spent", kinds: []kind{gaveUp}, codes: []int{206}, says: `^(?:app: )?app: restart budget spent \((.*?)\): (.*)`,
		cause: "The app ended more often than its restart policy allows ($1). The last time: $2.", fix: "Fix what ends it (see the app's own log), or raise app.restart.max."},
	{name: "app-not-ready-tcp", kinds: both, says: `connection refused`, unit: "app",
		cause: "Nothing listens at the app's address: $text.", fix: "Make the app listen on that address, or set app.ready to the address where it does. In a mesh 127.0.0.1 is enough."},
	{name: "app-not-ready-http", kinds: both, says: `status (\d+)`, unit: "app",
		cause: "The app answers its readiness probe with $1: $text.", fix: "See the app's own log. app.ready.timeout is how long it may take."},
	{name: "app-not-ready", kinds: both, unit: "app",
		cause: "The app is not ready: $text.", fix: "See the app's own log. app.ready is what is probed, app.ready.timeout how long it may take."},
	{name: "app-not-ready", kinds: []kind{gaveUp}, codes: []int{205},
		cause: "The app never became ready: $text.", fix: "Make the app answer the probe of app.ready within app.ready.timeout, or set app.ready to \"started\". See the app's own log."},
	{name: "app-crashed", kinds: []kind{byItself}, codes: []int{128 + 4, 128 + 6, 128 + 7, 128 + 8, 128 + 11},
		cause: "The app crashed: $text.", fix: "See the app's last log lines. app.restart can start it again."},
	{name: "app-killed", kinds: []kind{byItself, told}, codes: []int{137},
		cause: "The app was killed by a signal that meshtask did not send: $text.", fix: "Look for an out-of-memory kill of the whole task (stoppedReason in ECS), or for what sends KILL inside the container."},
	{name: "app-shell-not-found", kinds: []kind{byItself}, codes: []int{127},
		cause: "The app's shell did not find its command (it exited with 127).", fix: "Correct the path in the script. The app's last log line names it."},
	{name: "app-shell-not-executable", kinds: []kind{byItself}, codes: []int{126},
		cause: "The app's shell could not execute its command (it exited with 126).", fix: "Make the file executable in the image. The app's last log line names it."},
	{name: "app-ended-by-signal", kinds: []kind{byItself}, says: `was ended by`,
		cause: "The app was ended by a signal: $text.", fix: "Find what sent the signal, inside the container or the app itself. See the app's own log."},
	{name: "app-failed", kinds: []kind{byItself},
		cause: "The app ended by itself: $text.", fix: "See the app's last log lines. app.restart {\"policy\":\"on-failure\"} would start it again."},
	{name: "app-without-handler", kinds: []kind{told}, codes: []int{128 + 2, 128 + 3, 128 + 15},
		cause: "The task was stopped by $text, and the signal ended the app: it does not handle it.", fix: "Nothing failed. Handle the signal and exit with 0 if that should count as success; a job that is to be retried may keep 143."},
	{name: "app-answered", kinds: []kind{told},
		cause: "The task was stopped by $text, and the app answered with $code.", fix: "See the app's own log. Exit with 0 if that should count as success."},
}
