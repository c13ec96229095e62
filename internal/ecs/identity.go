package ecs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/retry"
)

// Identity is who this task is.
type Identity struct {
	ID        string // last segment of the task ARN
	Family    string // of the task definition
	Cluster   string // ARN or short name, as the endpoint says
	Address   string // IP address of the task; empty where the endpoint gives none
	ARN       string // of the task
	Container string // name of the own container; empty when there is none

	Zone       string // availability zone; this and the two after it: empty where the endpoint has none
	Revision   string // of the task definition
	LaunchType string // EC2, FARGATE, EXTERNAL
}

const (
	// Patience is how long an endpoint may go without one good answer.
	Patience = time.Minute
	// addressWait is how long the own container may be listed without an address: in
	// bridge mode the answer may be older than the container's network.
	addressWait = 5 * time.Second

	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second // keeps well below the 40 calls a second of the bucket
)

// Identity asks until it has a good answer, for at most Patience. The error
// then says what the last answer was, and has the code event.Metadata, as the
// waits have that are reported at each failure. report may be nil.
func (c *Client) Identity(ctx context.Context, report event.Report) (Identity, error) {
	report = report.Or()
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	began, last := time.Now(), error(nil)
	pauses := retry.Backoff{First: firstPause, Max: lastPause}
	defer report(event.WaitOver{})
	for {
		id, err := c.identity(ctx)
		if err == nil && (id.Address != "" || time.Since(began) > addressWait) {
			return id, nil
		}
		if err == nil {
			err = fmt.Errorf("the container %s has no address yet", id.Container)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		report(event.Waiting{Code: event.Metadata, What: "task metadata endpoint", Err: last.Error(), Fix: "check that ECS_CONTAINER_METADATA_URI_V4 is the one of this container",
			Facts: event.Facts{"address": c.uri}})
		select {
		case <-ctx.Done():
			return Identity{}, event.Because(event.Metadata,
				fmt.Errorf("no good answer from %s after %s: %v", c.uri, time.Since(began).Round(time.Millisecond), last), "address", c.uri, event.FactSaid, last.Error())
		case <-time.After(pauses.Next()):
		}
	}
}

// identity asks once.
func (c *Client) identity(ctx context.Context) (Identity, error) {
	own, err := c.Own(ctx)
	if err != nil {
		return Identity{}, err
	}
	t, err := c.Task(ctx)
	if err != nil {
		return Identity{}, err
	}
	id, err := TaskID(t.TaskARN)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		ID: id, Family: t.Family, Cluster: t.Cluster, Address: own.Address(),
		ARN: t.TaskARN, Container: own.Name, Zone: t.AvailabilityZone, Revision: t.Revision, LaunchType: t.LaunchType,
	}, nil
}

// Local is the identity of a task without an endpoint: a random ID, family
// and cluster "local", 127.0.0.1.
func Local() Identity {
	id := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) // a name, no secret
	return Identity{
		ID: id, Family: "local", Cluster: "local", Address: "127.0.0.1",
		ARN: "arn:aws:ecs:local:000000000000:task/local/" + id,
	}
}

// LocalNamed is Local, for a task that is named: its ARN has the name too. "" names none.
func LocalNamed(id string) Identity {
	local := Local()
	if id != "" {
		local.ARN, local.ID = strings.TrimSuffix(local.ARN, local.ID)+id, id
	}
	return local
}
