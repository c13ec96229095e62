package event

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Code names why a task ended, waits, or is not well. The set is closed: package why has a
// sentence and a fix for each, and Exit tells the exit code.
type Code string

// Facts are what a code's sentence needs, such as "address" or "process". They hold no
// secrets.
type Facts map[string]string

// Cause is an error with the code of why it is one. It is for errors that end a task or
// hold it up; others need no code.
type Cause struct {
	Code  Code
	Facts Facts
	Err   error
}

func (c *Cause) Error() string { return c.Err.Error() }
func (c *Cause) Unwrap() error { return c.Err }

// The names of facts that sentences know.
const (
	FactSaid = "said" // what a part said of it, in its own words
	FactHow  = "how"  // how a process has ended, such as "exited with 1"
	FactCase = "case" // which case of the code it is; one of those below
)

// The cases of codes that have several.
const (
	CaseKilled  = "killed"  // by a KILL that is not ours
	CaseNone    = "none"    // we have none: no key, no token
	CasePlain   = "plain"   // the others have none
	CaseAddress = "address" // of an address, not of a port
	CaseAgent   = "agent"   // of someone else's agent
	CaseNode    = "node"    // of a node that there is not

	CaseServers   = "servers"   // of the Consul servers, where there is no agent
	CaseAuthority = "authority" // their certificate is not by the CA that was given
	CaseName      = "name"      // their certificate has another name

	CaseMeshGateway = "mesh-gateway" // of one with an agent
)

// Because gives err a code, with facts as pairs of a name and its value.
func Because(code Code, err error, facts ...string) error {
	c := &Cause{Code: code, Err: err}
	for i := 0; i+1 < len(facts); i += 2 {
		if c.Facts == nil {
			c.Facts = Facts{}
		}
		c.Facts[facts[i]] = facts[i+1]
	}
	return c
}

// Facts are those of a process's end, with how often its unit was restarted.
func (e Restart) Facts(restarts int) Facts {
	f := Facts{"restarts": fmt.Sprint(restarts)}
	if restarts < 2 {
		delete(f, "restarts")
	}
	return f.End(e.How, e.Signal, e.Said)
}

// End adds to the facts how a process has ended.
func (f Facts) End(how, signal, said string) Facts {
	if how != "" {
		f[FactHow] = how
	}
	if signal == "SIGKILL" {
		f[FactCase] = CaseKilled
	} else if said != "" {
		f[FactSaid] = said
	}
	return f
}

// CauseOf is the outermost cause in err's chain; nil where there is none.
func CauseOf(err error) *Cause {
	c, _ := errors.AsType[*Cause](err)
	return c
}

// Or gives err a code unless it has one.
func Or(code Code, err error) error {
	if CauseOf(err) != nil {
		return err
	}
	return Because(code, err)
}

// WaitingFor is the wait for what, which err delays, with err's code and facts, else this
// code.
func WaitingFor(code Code, what string, err error, fix string) Waiting {
	w := Waiting{Code: code, What: what, Err: err.Error(), Fix: fix}
	if c := CauseOf(err); c != nil {
		w.Code, w.Facts = c.Code, c.Facts
	}
	return w
}

// Exit is the code with which a task ends that gives up for this reason (CONTRACT §3); 0
// where the code does not end a task by itself, or the app's own answer counts.
func (c Code) Exit() int { return exits()[c] }

// Known says whether the code is one of the closed set.
func (c Code) Known() bool { _, ok := exits()[c]; return ok }

// Codes are all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(exits())) }

// The codes, by the exit code that they lead to.
const (
	OK Code = "ok" // nothing is wrong

	Usage Code = "usage" // 2

	ConfigBad       Code = "config" // 200
	ConfigRetryJoin Code = "config-retry-join"
	ConfigBudget    Code = "config-budget"
	ConfigUser      Code = "config-user"
	ConfigProbe     Code = "config-probe"

	CommandNotFound      Code = "command-not-found" // 127
	CommandInterpreter   Code = "command-interpreter"
	CommandNotExecutable Code = "command-not-executable" // 126
	CommandMachine       Code = "command-machine"
	CommandUser          Code = "command-user"
	CommandDirectory     Code = "command-directory"

	Secret          Code = "secret" // 201
	SecretDenied    Code = "secret-denied"
	SecretKMS       Code = "secret-kms"
	SecretMissing   Code = "secret-missing"
	SecretVariable  Code = "secret-variable"
	SecretFile      Code = "secret-file"
	SecretNotFilled Code = "secret-not-filled"
	SecretRole      Code = "secret-role"
	LoginRole       Code = "login-role"
	LoginRefused    Code = "login-refused"
	Login           Code = "login" // 203, as the two before

	ConsulMissing      Code = "consul-missing" // 202
	ConsulAddressTaken Code = "consul-address-taken"
	ConsulEncryption   Code = "consul-encryption"
	ConsulCertificate  Code = "consul-certificate"
	ConsulDatacenter   Code = "consul-datacenter"
	ConsulName         Code = "consul-name"
	ConsulACL          Code = "consul-acl"
	ConsulUnreachable  Code = "consul-unreachable"
	ConsulNoLeader     Code = "consul-no-leader"
	ConsulSettings     Code = "consul-settings"
	ConsulNotJoined    Code = "consul-not-joined"
	ConsulServerName   Code = "consul-server-name"
	ConsulIsTLS        Code = "consul-is-tls"
	ConsulNotTLS       Code = "consul-not-tls"

	Register             Code = "register" // 203
	RegisterDenied       Code = "register-denied"
	RegisterTokenUnknown Code = "register-token-unknown"
	RegisterRefused      Code = "register-refused"
	AgentTokenUnknown    Code = "agent-token-unknown"
	ChecksNotWritten     Code = "checks-not-written"
	ListenerCheck        Code = "listener-check"

	EnvoyMissing      Code = "envoy-missing" // 204
	ListenerPortTaken Code = "listener-port-taken"
	ListenerRejected  Code = "xds-listener-rejected"
	ClusterRejected   Code = "xds-cluster-rejected"
	XDSUnreachable    Code = "xds-unreachable"
	XDSEnded          Code = "xds-ended"
	XDSNoConfig       Code = "xds-no-configuration"
	XDSNoListeners    Code = "xds-no-listeners"
	ListenerElsewhere Code = "listener-elsewhere"
	EnvoyAdmin        Code = "envoy-admin"
	EnvoyCrashed      Code = "envoy-crashed"
	EnvoyNotReady     Code = "envoy-not-ready"
	MeshNotThere      Code = "mesh-not-there"

	AppNotReady     Code = "app-not-ready" // 205
	AppNotReadyTCP  Code = "app-not-ready-tcp"
	AppNotReadyHTTP Code = "app-not-ready-http"

	AppRestartsSpent    Code = "app-restarts-spent" // 206
	ConsulRestartsSpent Code = "consul-restarts-spent"
	EnvoyRestartsSpent  Code = "envoy-restarts-spent"

	EnvoyVersion Code = "envoy-version" // 207

	RunTimeLimit Code = "run-time-limit" // 209

	Internal            Code = "internal" // 210
	StateDirectory      Code = "state-directory"
	StateDirectoryInUse Code = "state-directory-in-use"
	AdminAddressTaken   Code = "admin-address-taken"

	Metadata Code = "metadata" // 211

	// The app's own end, and what a signal asked for.
	AppCrashed            Code = "app-crashed"
	AppKilled             Code = "app-killed"
	AppKilledAtBudget     Code = "app-killed-at-budget"
	AppOutOfMemory        Code = "app-out-of-memory"
	AppShellNotFound      Code = "app-shell-not-found"
	AppShellNotExecutable Code = "app-shell-not-executable"
	AppEndedBySignal      Code = "app-ended-by-signal"
	AppFailed             Code = "app-failed"
	AppWithoutHandler     Code = "app-without-handler"
	AppAnswered           Code = "app-answered"
	StoppedBeforeUp       Code = "stopped-before-up"

	// What goes wrong beside it.
	OutOfMemoryKill          Code = "out-of-memory"
	KilledAtBudget           Code = "killed-at-budget"
	KilledInItsStop          Code = "killed-in-its-stop"
	TaskKilled               Code = "killed"
	Silent                   Code = "silent"
	Hangs                    Code = "hangs"
	AppSuspended             Code = "app-suspended"
	DrainCut                 Code = "drain-cut"
	LeaveUnverified          Code = "leave-unverified"
	DeregistrationUnverified Code = "deregistration-unverified"
	Restarted                Code = "restarted"
	Waits                    Code = "waiting"
	GaveUp                   Code = "gave-up"
	LeaseIsLost              Code = "lease-lost"
	StoppedSpot              Code = "stopped-spot"
	StoppedByContainer       Code = "stopped-by-container"
	StoppedUnhealthy         Code = "stopped-unhealthy"
	StoppedByECS             Code = "stopped-by-ecs"

	// What a running task can be without: conditions that do not hold.
	AppIsUnhealthy      Code = "app-unhealthy"
	EnvoyDown           Code = "envoy-down"
	EnvoyUpdateRefused  Code = "envoy-update-refused"
	ConsulDown          Code = "consul-agent-down"
	ServersUnreachable  Code = "servers-unreachable"
	ServiceTokenUnknown Code = "service-token-unknown"
	NotRegistered       Code = "not-registered"
	ChecksCritical      Code = "checks-critical"
	UpstreamNotBound    Code = "upstream-not-bound"
	UpstreamNoInstance  Code = "upstream-no-instance"
	UpstreamDenied      Code = "upstream-denied"
	CertificateExpires  Code = "certificate-expires"
	MemoryNearLimit     Code = "memory-near-limit"
	StopBudgetSmall     Code = "stop-budget-small"
	GatewayNoEntry      Code = "gateway-no-entry"
	GatewayNoRoute      Code = "gateway-no-route"
	GatewayRights       Code = "gateway-rights"
)

// exits is the closed set with the exit code of each.
func exits() map[Code]int {
	return map[Code]int{
		OK:    0,
		Usage: 2,

		ConfigBad: 200, ConfigRetryJoin: 200, ConfigBudget: 200, ConfigUser: 200, ConfigProbe: 200,

		CommandNotFound: 127, CommandInterpreter: 127,
		CommandNotExecutable: 126, CommandMachine: 126, CommandUser: 126, CommandDirectory: 126,

		Secret: 201, SecretDenied: 201, SecretKMS: 201, SecretMissing: 201, SecretVariable: 201, SecretFile: 201, SecretNotFilled: 201, SecretRole: 201,
		LoginRole: 203, LoginRefused: 203, Login: 203,

		ConsulMissing: 202, ConsulAddressTaken: 202, ConsulEncryption: 202, ConsulCertificate: 202, ConsulDatacenter: 202, ConsulName: 202,
		ConsulACL: 202, ConsulUnreachable: 202, ConsulNoLeader: 202, ConsulSettings: 202, ConsulNotJoined: 202,
		ConsulServerName: 202, ConsulIsTLS: 202, ConsulNotTLS: 202,

		Register: 203, RegisterDenied: 203, RegisterTokenUnknown: 203, RegisterRefused: 203, AgentTokenUnknown: 203, ChecksNotWritten: 203, ListenerCheck: 203,

		EnvoyMissing: 204, ListenerPortTaken: 204, ListenerRejected: 204, ClusterRejected: 204, XDSUnreachable: 204, XDSEnded: 204,
		XDSNoConfig: 204, XDSNoListeners: 204, ListenerElsewhere: 204, EnvoyAdmin: 204, EnvoyCrashed: 204, EnvoyNotReady: 204, MeshNotThere: 204,

		AppNotReady: 205, AppNotReadyTCP: 205, AppNotReadyHTTP: 205,
		AppRestartsSpent: 206, ConsulRestartsSpent: 206, EnvoyRestartsSpent: 206,
		EnvoyVersion: 207,
		RunTimeLimit: 209,
		Internal:     210, StateDirectory: 210, StateDirectoryInUse: 210, AdminAddressTaken: 210,
		Metadata: 211,

		AppCrashed: 0, AppKilled: 0, AppKilledAtBudget: 0, AppOutOfMemory: 0, AppShellNotFound: 0, AppShellNotExecutable: 0, AppEndedBySignal: 0,
		AppFailed: 0, AppWithoutHandler: 0, AppAnswered: 0, StoppedBeforeUp: 0,
		OutOfMemoryKill: 0, KilledAtBudget: 0, KilledInItsStop: 0, TaskKilled: 0, Silent: 0, Hangs: 0, AppSuspended: 0, DrainCut: 0,
		LeaveUnverified: 0, DeregistrationUnverified: 0, Restarted: 0, Waits: 0, GaveUp: 0, LeaseIsLost: 0,
		StoppedSpot: 0, StoppedByContainer: 0, StoppedUnhealthy: 0, StoppedByECS: 0,

		AppIsUnhealthy: 0, EnvoyDown: 0, EnvoyUpdateRefused: 0, ConsulDown: 0, ServersUnreachable: 0, ServiceTokenUnknown: 0,
		NotRegistered: 0, ChecksCritical: 0, UpstreamNotBound: 0, UpstreamNoInstance: 0, UpstreamDenied: 0, CertificateExpires: 0,
		MemoryNearLimit: 0, StopBudgetSmall: 0, GatewayNoEntry: 0, GatewayNoRoute: 0, GatewayRights: 0,
	}
}
