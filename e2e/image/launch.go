package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

// launch is one task of a definition, as ECS starts it: at one address, with volumes of its own.
type launch struct {
	*report
	account    *account
	world      *world
	definition *definition
	id, family string
	address    string

	volumes map[string]string // the folders, by name
	started map[string]*container
	mesh    *harness.Endpoint // of the container that runs the mesh
}

// containers starts those of a definition: all at once, but for those that depend on the success of
// another. The endpoint is that of the container that runs the mesh.
func (r *report) containers(a *account, w *world, d *definition, address string) (map[*container]int, *harness.Endpoint, error) {
	a.tasks++
	l := &launch{report: r, account: a, world: w, definition: d, id: fmt.Sprintf("%032x", a.tasks), family: d.Family,
		address: address, volumes: map[string]string{}, started: map[string]*container{}}
	if l.family == "" {
		l.family = d.document().Service.Name
	}
	for _, v := range d.Volumes {
		dir := r.TempDir()
		must(r, os.Chmod(dir, 0o755)) // root's, as a volume of Fargate's is
		l.volumes[v.Name] = dir
	}
	for _, later := range []bool{false, true} {
		for _, c := range d.ContainerDefinitions {
			if later != (len(c.DependsOn) > 0) {
				continue
			}
			if err := l.succeeded(c); err != nil {
				return nil, nil, err
			}
			if err := l.start(c); err != nil {
				return nil, nil, err
			}
		}
	}
	out := map[*container]int{}
	for _, c := range l.started {
		out[c] = 0
	}
	return out, l.mesh, nil
}

// succeeded waits for what a container depends on.
func (l *launch) succeeded(c shippedContainer) error {
	for _, on := range c.DependsOn {
		first := l.started[on.ContainerName]
		if on.Condition != "SUCCESS" || first == nil {
			return fmt.Errorf("%s depends on %s: %s, which is not played here", c.Name, on.ContainerName, on.Condition)
		}
		if code := first.Wait(l, soon); code != 0 {
			return fmt.Errorf("%s, on which %s depends: exit code %d\n%s", on.ContainerName, c.Name, code, first.Tail(30))
		}
	}
	return nil
}

func (l *launch) start(c shippedContainer) error {
	img, err := l.world.of(l.definition, c)
	if err != nil {
		return err
	}
	env, err := l.environment(c)
	if err != nil {
		return err
	}
	box := harness.Box{Writable: !c.ReadonlyRootFilesystem}
	must(l, os.MkdirAll(img.Tree+"/etc", 0o755)) // where an engine lays its hosts
	box.Binds = append(box.Binds, l.account.hosts+":/etc/hosts:ro")
	for _, m := range c.MountPoints {
		dir := l.volumes[m.SourceVolume]
		if dir == "" {
			return fmt.Errorf("%s mounts %s, which is no volume of the definition", c.Name, m.SourceVolume)
		}
		must(l, os.MkdirAll(img.Tree+m.ContainerPath, 0o755))
		box.Binds = append(box.Binds, dir+":"+m.ContainerPath+map[bool]string{true: ":ro"}[m.ReadOnly])
	}
	own := *img
	own.Entrypoint, own.Health = c.EntryPoint, nil
	if c.User != "" {
		own.User = c.User
	}
	if len(c.HealthCheck.Command) > 0 {
		own.Health = c.HealthCheck.Command[1:] // CMD
	}
	l.started[c.Name] = l.startIn(c.Name, &own, box, env, c.Command...)
	return nil
}

// environment is what ECS gives to a container: the metadata endpoint, the definition's own, the
// secrets, which ECS reads.
func (l *launch) environment(c shippedContainer) ([]string, error) {
	endpoint := harness.StartEndpoint(l, l.id, l.family, l.address, c.Name)
	for _, other := range l.definition.ContainerDefinitions {
		if other.Name != c.Name {
			endpoint.Set(other.Name, map[bool]string{true: "UNKNOWN"}[len(other.HealthCheck.Command) > 0], nil)
		}
	}
	if slices.Contains(c.EntryPoint, "run") {
		l.mesh = endpoint
	}
	env := append(l.account.cloud.Environment(), "ECS_CONTAINER_METADATA_URI_V4="+endpoint.URI)
	for _, e := range c.Environment {
		env = append(env, e.Name+"="+e.Value)
	}
	for _, s := range c.Secrets {
		_, name, _ := strings.Cut(s.ValueFrom, ":secret:")
		value, ok := l.account.cloud.Secrets.Get(name)
		if !ok {
			return nil, fmt.Errorf("%s: there is no secret %s", c.Name, s.ValueFrom)
		}
		env = append(env, s.Name+"="+value)
	}
	return env, nil
}

// checked runs the ECS health check of each container that has one until it is good, as the agent of ECS
// does, and tells the mesh.
func (r *report) checked(d *definition, all map[*container]int, mesh *harness.Endpoint) {
	var order []*container
	for c := range all {
		if slices.Contains(c.image.Entrypoint, "app") { // apps first: the service waits for them
			order = slices.Insert(order, 0, c)
		} else {
			order = append(order, c)
		}
	}
	for _, c := range order {
		if len(c.image.Health) == 0 {
			continue
		}
		harness.Eventually(r, soon, d.Where+": the health check of "+c.Name+" ("+strings.Join(c.image.Health, " ")+")", func() error {
			select {
			case <-c.Done():
				return fmt.Errorf("it has ended:\n%s", c.Tail(20))
			default:
			}
			if code := c.health(r); code != 0 {
				select { // a process each: not as often as Eventually asks
				case <-time.After(500 * time.Millisecond):
				case <-c.Done():
				}
				return errors.New("exit code " + strconv.Itoa(code) + "\n" + c.Tail(10))
			}
			return nil
		})
		if slices.Contains(c.image.Entrypoint, "app") {
			mesh.Set(c.Name, "HEALTHY", nil)
		}
	}
}
