package daemon

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"meshtask/internal/awssdk"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
)

// identify asks the task metadata endpoint for the cluster, when there is one.
// A cluster that is given needs no answer, but the Region may.
func (d *Daemon) identify(ctx context.Context) error {
	cluster, uri := &d.cfg.ACL.Cluster, d.cfg.Metadata
	if *cluster != "" && (uri == "" || d.cfg.Region != "") {
		return nil
	}
	client, err := ecs.New(uri)
	if err != nil {
		return err
	}
	defer client.Close()
	named := d.waits()
	defer named.Close()
	id, err := client.Identity(ctx, named.Of(unitName))
	if err != nil {
		if *cluster != "" {
			return nil // the SDK has other ways to a Region
		}
		return err
	}
	if arn, err := ecs.ParseARN(id.ARN); err == nil {
		d.region = arn.Region
	}
	if *cluster == "" {
		*cluster = id.Cluster
		if d.cfg.ACL.ClusterARN, err = ecs.ClusterARN(id.ARN, id.Cluster); err != nil {
			return event.Because(event.Metadata, err)
		}
	}
	return nil
}

// aws are the SDK's settings; a Region that they lack is the own task's, or that
// of an ARN that was given.
func (d *Daemon) aws(ctx context.Context) (aws.Config, error) {
	cfg, err := awssdk.Load(ctx)
	if err != nil {
		return cfg, event.Because(event.ConfigBad, err)
	}
	for _, given := range []string{d.cfg.ACL.Cluster, d.cfg.ACL.ClientSecret} {
		if arn, err := ecs.ParseARN(given); err == nil && strings.HasPrefix(given, "arn:") {
			d.region = cmp.Or(d.region, arn.Region)
		}
	}
	if cfg.Region = cmp.Or(cfg.Region, d.region); cfg.Region == "" {
		return cfg, event.Because(event.ConfigBad, errors.New("no AWS Region: set AWS_REGION, or give --cluster as an ARN"))
	}
	return cfg, nil
}
