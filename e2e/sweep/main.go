// Command sweep is the floor of the ACL controller's quiet sweep: it lists a cluster's tasks, 100 a
// call and as fast as the controller may, lists the tokens that Consul has, and does nothing with
// either. With a node it reads the services on that as well, as the controller does with --agentless.
// It prints the CPU time that a sweep took it, user and system, in seconds.
//
//	sweep CLUSTER SWEEPS [NODE]
//
// AWS and Consul are found by the environment, as the controller finds them.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/hashicorp/consul/api"
)

// The controller's pace towards ECS: acl.Rates.
const (
	burst     = 40
	perSecond = 12
)

func main() {
	used, err := measure(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sweep:", err)
		os.Exit(1)
	}
	fmt.Println(used.Seconds())
}

func measure(ctx context.Context, args []string) (time.Duration, error) {
	if len(args) != 2 && len(args) != 3 {
		return 0, fmt.Errorf("give the cluster, how many sweeps and perhaps a node, not %q", args)
	}
	sweeps, err := strconv.Atoi(args[1])
	if err != nil || sweeps < 1 {
		return 0, fmt.Errorf("%q is not a number of sweeps", args[1])
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return 0, err
	}
	consul, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return 0, err
	}
	cloud := ecs.NewFromConfig(cfg)
	if err := sweep(ctx, cloud, consul, args[0], args[2:]); err != nil { // connects
		return 0, err
	}
	before := cpu()
	for range sweeps {
		if err := sweep(ctx, cloud, consul, args[0], args[2:]); err != nil {
			return 0, err
		}
	}
	return (cpu() - before) / time.Duration(sweeps), nil
}

func sweep(ctx context.Context, cloud *ecs.Client, consul *api.Client, cluster string, nodes []string) error {
	pages := ecs.NewListTasksPaginator(cloud, &ecs.ListTasksInput{Cluster: &cluster, MaxResults: aws.Int32(100)})
	pace := time.NewTicker(time.Second / perSecond)
	defer pace.Stop()
	for n := 0; pages.HasMorePages(); n++ {
		if n >= burst {
			<-pace.C
		}
		if _, err := pages.NextPage(ctx); err != nil {
			return err
		}
	}
	for _, node := range nodes {
		if _, _, err := consul.Catalog().NodeServiceList(node, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
			return err
		}
	}
	_, _, err := consul.ACL().TokenList((&api.QueryOptions{}).WithContext(ctx))
	return err
}

// cpu is what this process has used, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for a wrong pointer only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
