package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"meshtask/envoy"
	"meshtask/supervisor"
)

// versionLimit bounds `consul version` and `envoy --version`.
const versionLimit = 5 * time.Second

// checkVersions prints which consul and envoy would be run, and whether they
// fit: 0, or 202, 204 or 207.
func checkVersions(w *world) int {
	sup, err := supervisor.New(w.chld, nil)
	if err != nil {
		return w.fail(exitInternal, "%v", err)
	}
	defer sup.Close()
	ctx, cancel := context.WithTimeout(context.Background(), versionLimit)
	defer cancel()
	consul, err := supervisor.Look("consul", w.getenv("PATH"))
	if err != nil {
		return w.fail(exitConsul, "%v", err)
	}
	text, err := firstOutput(ctx, sup, []string{consul, "version"}, w.env)
	if err != nil {
		return w.fail(exitConsul, "consul version: %v", err)
	}
	fmt.Fprintf(w.stdout, "%s (%s)\n", text, consul)
	path, err := supervisor.Look("envoy", w.getenv("PATH"))
	if err != nil {
		return w.fail(exitEnvoy, "%v", err)
	}
	v, err := envoy.Version(ctx, sup, path, w.env)
	if err != nil {
		return w.fail(exitEnvoy, "%v", err)
	}
	misfit := envoy.Fits(v)
	if misfit == nil {
		fmt.Fprintf(w.stdout, "Envoy v%s (%s), declared by Consul\n", v, path)
		return 0
	}
	fmt.Fprintf(w.stdout, "Envoy v%s (%s): %v\n", v, path, misfit)
	if misfit.TooOld {
		return exitVersion
	}
	return 0
}

// firstOutput is the first line that a command prints on standard output.
func firstOutput(ctx context.Context, sup *supervisor.Supervisor, argv, env []string) (string, error) {
	var out bytes.Buffer
	c, err := sup.Start(supervisor.Spec{Name: argv[0], Argv: argv, Env: env, Lines: func(stream int, line []byte) {
		if stream == 1 {
			out.Write(append(line, '\n'))
		}
	}})
	if err != nil {
		return "", err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), c.SignalGroup(9))
	}
	c.Clear(0)
	line, _, _ := strings.Cut(out.String(), "\n")
	return line, nil
}
