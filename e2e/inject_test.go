package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"meshtask/e2e/harness"
)

// injectedTask converts a task of one image that nobody's command repeats, so that the image stays
// as it is, and returns the containers by name. dir is where the program is put.
func injectedTask(t *testing.T, bin, dir, server string, image map[string]any) map[string]convertedContainer {
	t.Helper()
	type o = map[string]any
	files := map[string]any{"inspect.json": []any{o{"Config": image}},
		"task.json": o{"family": "shop", "networkMode": "awsvpc", "requiresCompatibilities": []string{"FARGATE"}, "cpu": "256", "memory": "512",
			"containerDefinitions": []any{o{"name": "shop", "image": "shop:4", "essential": true, "portMappings": []any{o{"containerPort": 8080}}}}}}
	from := t.TempDir()
	for name, content := range files {
		text, err := json.Marshal(content)
		if err == nil {
			err = os.WriteFile(filepath.Join(from, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "meshtask"), "taskdef", "convert", "--inject", "--binary", filepath.Join(dir, "meshtask"),
		"--mesh-image", "mesh:1", "--retry-join", server, "--image-config", filepath.Join(from, "inspect.json"), filepath.Join(from, "task.json")).Output()
	if err != nil {
		t.Fatalf("convert: %v", err)
	}
	var def struct{ ContainerDefinitions []convertedContainer }
	if err := json.Unmarshal(out, &def); err != nil || len(def.ContainerDefinitions) != 3 {
		t.Fatalf("%v: want three containers:\n%s", err, out)
	}
	all := map[string]convertedContainer{}
	for _, c := range def.ContainerDefinitions {
		all[c.Name] = c
	}
	return all
}

// A definition of --inject is lived in: the first container puts the program there and ends, the
// app's image begins by it, and the image's own STOPSIGNAL stops the task.
func TestInjectedTaskLives(t *testing.T) {
	t.Parallel()
	bin, dir := programs(t), filepath.Join(t.TempDir(), "volume")
	server := harness.StartServer(t, harness.ServerConfig{})
	address := harness.Address(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	all := injectedTask(t, bin, dir, server.Address, map[string]any{
		"Entrypoint": []string{"/bin/sh", "-c", `trap 'kill $!' WINCH; "$0" "$@" & wait; wait`, filepath.Join(bin, "app")}, // as httpd ends at WINCH
		"Cmd":        []string{"--name", "shop", "--listen", address + ":8080"}, "StopSignal": "SIGWINCH"})
	// On loopback two tasks would meet at 127.0.0.1:9902, which in ECS each has for itself.
	lease := address + ":9902"
	start := func(name string) *harness.Process {
		c, endpoint := all[name], harness.StartEndpoint(t, "0a1b2c3d4e5f", "shop", address, name)
		for other := range all {
			if other != name {
				endpoint.Set(other, "", nil)
			}
		}
		env := []string{"PATH=" + bin, "MESHTASK_DIR=" + filepath.Join(t.TempDir(), "state"), "MESHTASK_MESH=" + lease, "MESHTASK_ADMIN_LISTEN=" + lease,
			"ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI}
		for _, e := range c.Environment {
			env = append(env, e.Name+"="+e.Value)
		}
		argv := append(slices.Clone(c.EntryPoint), c.Command...)
		if argv[0] == "meshtask" {
			argv[0] = filepath.Join(bin, argv[0])
		}
		return harness.Start(t, name, argv, env)
	}
	if p := start("meshtask-install"); p.Wait(t, soon) != 0 {
		t.Fatalf("install:\n%s", p.Tail(20))
	}
	if got := all["shop"].EntryPoint[0]; !strings.HasPrefix(got, dir) {
		t.Fatalf("the app begins with %s, and the program was put into %s", got, dir)
	}
	app, mesh := start("shop"), start("meshtask")
	server.Passing(t, soon, "shop", 1)
	answers(t, "http://"+address+":8080/", 200, "hello from shop")
	for p, signal := range map[*harness.Process]syscall.Signal{app: syscall.SIGWINCH, mesh: syscall.SIGTERM} {
		if err := p.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*harness.Process{app, mesh} {
		if code := p.Wait(t, soon); code != 0 {
			t.Errorf("%s: exit code %d:\n%s", p.Name, code, p.Tail(20))
		}
	}
	server.Empty(t, cleanWithin)
}
