package acl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
	"meshtask/internal/event"
)

// Config is the controller's configuration; CONTRACT §5 names the flags.
type Config struct {
	Mode          reconcile.Mode // whether tasks have client agents
	Cluster       string         // name or ARN, as task metadata gives it; it is written into descriptions. Required
	ClusterARN    string         // where Cluster is a name; empty: its first task tells it
	SecretPrefix  string         // of the secrets' names; empty: tasks get no tokens by secrets
	RolePath      string         // of the IAM roles by which tasks log in, such as /consul-ecs/; "/": any; empty: they do not
	ClientSecret  string         // ARN or name of the client agents' secret; empty: their token is not looked after
	Reserved      []string       // more secrets that no service may have: ARNs, names, or names without the prefix
	Partition     string         // Consul Enterprise partition; empty: partitions are off
	Interval      time.Duration  // from the start of a sweep to the next; default 10s
	DeletionGrace time.Duration  // how long a service without tasks keeps its token; default 2m, negative: none
	AuditInterval time.Duration  // default 10m
	RotateAfter   time.Duration  // age at which the tokens of services and client agents are replaced; 0: never. Below 10m Secrets Manager runs out of versions within a day
	CreateSecrets bool           // create a service's secret that does not exist
	Once          bool           // one audit and sweep
	DryRun        bool           // write operations to Out instead of carrying them out
	Out           io.Writer      // of DryRun; required with it
	Log           hclog.Logger   // required
	HA            bool           // one of several: only the one that holds a Consul lock works

	// Report gets what the controller waits for, and event.WaitOver when it waits no
	// longer. nil: nobody listens.
	Report event.Report

	Rates Rates
}

// Rates bound the calls, per second. A rate of an API is shared with everybody
// else in the account and Region: the defaults leave half of ECS's to them.
type Rates struct {
	ECS      float64 // ListTasks and DescribeTasks together; default 12 (ECS allows 20, burst 100)
	ECSBurst int     // default 40
	Read     float64 // reads of secrets and policies, which bounds an audit; default 50
	Write    float64 // writes of secrets; default 20 (Secrets Manager allows 50)
}

// isRolePath says whether p is a path of IAM roles; a star in it would trust more roles than
// it says.
func isRolePath(p string) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/+=,.@_-", r)
	}
	return !strings.Contains(p, "//") && !strings.ContainsFunc(p, strange)
}

// CheckMode says what the mode needs or excludes, by the flags of the command. It needs no cluster.
func (c Config) CheckMode() error {
	var errs []error
	without := c.Mode == reconcile.Agentless
	if c.SecretPrefix == "" && c.RolePath == "" && !without {
		errs = append(errs, errors.New("--secret-name-prefix: give the prefix of the secrets' names (or --iam-role-path, when all tasks log in by IAM)"))
	}
	if c.ClientSecret != "" && without {
		errs = append(errs, errors.New("--consul-client-secret-arn: with --agentless there are no client agents; where some tasks have one, say --agentless=also"))
	}
	return errors.Join(errs...)
}

// resolved is c with its defaults, or everything that is wrong with it.
func (c Config) resolved() (Config, error) {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	c.Interval = cmp.Or(c.Interval, 10*time.Second)
	c.DeletionGrace = max(cmp.Or(c.DeletionGrace, 2*time.Minute), 0)
	c.AuditInterval = cmp.Or(c.AuditInterval, 10*time.Minute)
	c.Rates.ECS = cmp.Or(c.Rates.ECS, 12)
	c.Rates.ECSBurst = cmp.Or(c.Rates.ECSBurst, 40)
	c.Rates.Read = cmp.Or(c.Rates.Read, 50)
	c.Report = c.Report.Or()
	c.Rates.Write = cmp.Or(c.Rates.Write, 20)
	need(c.Cluster != "", "cluster: give the name or ARN of the ECS cluster")
	errs = append(errs, c.CheckMode())
	need(c.RolePath == "" || isRolePath(c.RolePath), "iam-role-path: want a path of IAM roles such as /consul-ecs/, got %q", c.RolePath)
	need(c.Interval > 0, "interval: must be above 0, got %v", c.Interval)
	need(c.AuditInterval >= c.Interval, "audit-interval: must not be below the interval %v, got %v", c.Interval, c.AuditInterval)
	need(c.RotateAfter >= 0, "rotate-after: must not be negative, got %v", c.RotateAfter)
	need(c.Rates.ECS > 0 && c.Rates.ECSBurst > 0 && c.Rates.Read > 0 && c.Rates.Write > 0, "rates must be above 0")
	need(c.Log != nil, "a logger is required")
	need(!c.DryRun || c.Out != nil, "a dry run needs somewhere to write to")
	return c, errors.Join(errs...)
}

// withACLs says whether the controller looks after tokens at all: a mesh without ACLs has a catalog
// to be kept as well.
func (c Config) withACLs() bool { return c.SecretPrefix != "" || c.RolePath != "" }

// installation are the secrets beside those of services that deploy/ gives names
// to, without the prefix.
func installation() []string {
	return []string{"consul-client-token", "gossip-key", "ca-cert", "ca-key", "bootstrap-token"}
}

// reserved are the names of secrets that no service may have.
func (c Config) reserved() []string {
	var names []string
	for _, r := range append(installation(), c.Reserved...) {
		names = append(names, c.SecretPrefix+"-"+r)
	}
	for _, given := range append([]string{c.ClientSecret}, c.Reserved...) {
		names = append(names, secretNames(given)...)
	}
	return names
}

// secretNames are the names that a secret may have that is given by name or ARN.
// An ARN ends in the name, a dash and six characters of AWS's own; without these it
// is an ARN as well, so that both readings count.
func secretNames(given string) []string {
	_, name, isARN := strings.Cut(given, ":secret:")
	if !isARN {
		return []string{given}
	}
	name, _, _ = strings.Cut(name, ":") // a reference to a key of it
	names := []string{name}
	if i := len(name) - 7; i > 0 && name[i] == '-' {
		names = append(names, name[:i])
	}
	return names
}
