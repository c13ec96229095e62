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
// The app is healthy when health, a URL, answers.
func injectedTask(t *testing.T, bin, dir, server, health string, image map[string]any) map[string]convertedContainer {
	t.Helper()
	type o = map[string]any
	files := map[string]any{"config.json": o{"health": o{"app": o{"http": health}}}, "inspect.json": []any{o{"Config": image}},
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
	return injected(t, bin, filepath.Join(from, "task.json"), "--binary", filepath.Join(dir, "meshtask"), "--mesh-image", "mesh:1", "--retry-join", server, "--config", filepath.Join(from, "config.json"), "--image-config", filepath.Join(from, "inspect.json"))
}

// injected are the three containers of a converted definition of one app, by name.
func injected(t *testing.T, bin, file string, flags ...string) map[string]convertedContainer {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "meshtask"), slices.Concat([]string{"taskdef", "convert", "--inject"}, flags, []string{file})...).Output()
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

// The containers of the example of terraform-aws-consul-ecs v0.4.1, as they stand there: nobody repeats
// the command of the image. Every container of the converted definition runs in a tree of its own, in which
// there is what its image holds, and the volume.
func TestExampleOfTheModuleLives(t *testing.T) {
	t.Parallel()
	if why := harness.Boxes(t); why != "" && os.Getenv("CI") != "" {
		t.Fatalf("this machine makes no namespaces: %s", why)
	} else if why != "" {
		t.Logf("this machine makes no namespaces (%s): nothing was tested", why)
		return
	}
	const name = "example-server-app"
	server, address, volume := harness.StartServer(t, harness.ServerConfig{}), harness.Address(t), t.TempDir()
	bin, from := programs(t), t.TempDir()
	for file, text := range map[string]string{"registry.json": `{"architecture":"amd64","config":{"Entrypoint":["/app/fake-service"]}}`,
		"task.json": `{"family":"dev-example-server-app","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"512","containerDefinitions":[{
			"name":"example-server-app","image":"docker.mirror.hashicorp.services/nicholasjackson/fake-service:v0.21.0","essential":true,
			"environment":[{"name":"NAME","value":"dev-example-server-app"}],
			"healthCheck":{"command":["CMD-SHELL","curl localhost:9090/health"],"interval":10,"retries":3,"timeout":5}}]}`} {
		if err := os.WriteFile(filepath.Join(from, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := injected(t, bin, filepath.Join(from, "task.json"), "--mesh-image", "mesh:1", "--retry-join", server.Address, "--port", "9090", "--image-config", filepath.Join(from, "registry.json"))
	endpoint := func(own string) string {
		e := harness.StartEndpoint(t, "0a1b2c3d4e5f", "dev-example-server-app", address, own)
		for other := range all {
			if other != own {
				e.Set(other, map[string]string{name: "HEALTHY"}[other], nil) // the check is ECS's to run
			}
		}
		return e.URI
	}
	box := func(own, program, at, mount string) *harness.Process {
		tree := t.TempDir()
		put(t, program, filepath.Join(tree, at))
		env := []string{"PATH=/bin", "ECS_CONTAINER_METADATA_URI_V4=" + endpoint(own), "MESHTASK_MESH=" + address + ":9902", "LISTEN_ADDR=" + address + ":9090"}
		for _, e := range all[own].Environment {
			env = append(env, e.Name+"="+e.Value)
		}
		return harness.StartBox(t, own, harness.Box{Root: tree, Binds: []string{volume + ":/mesh" + mount}, Tmpfs: []string{"/tmp"}}, slices.Concat(all[own].EntryPoint, all[own].Command), env)
	}
	if p := box("meshtask-install", filepath.Join(bin, "meshtask"), "bin/meshtask", ""); p.Wait(t, soon) != 0 {
		t.Fatalf("install:\n%s", p.Tail(20))
	}
	app := box(name, harness.App(t), "app/fake-service", ":ro")
	env := []string{"PATH=" + bin, "MESHTASK_DIR=" + filepath.Join(t.TempDir(), "state"), "MESHTASK_ADMIN_LISTEN=" + address + ":9902", "ECS_CONTAINER_METADATA_URI_V4=" + endpoint("meshtask")}
	for _, e := range all["meshtask"].Environment {
		env = append(env, e.Name+"="+e.Value)
	}
	mesh := harness.Start(t, "meshtask", []string{filepath.Join(bin, "meshtask"), "run"}, env)
	server.Passing(t, soon, "dev-example-server-app", 1)
	answers(t, "http://"+address+":9090/", 200, "hello from dev-example-server-app")
	for _, p := range []*harness.Process{app, mesh} {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*harness.Process{app, mesh} {
		if code := p.Wait(t, soon); code != 0 {
			t.Errorf("%s: exit code %d:\n%s", p.Name, code, p.Tail(20))
		}
	}
	server.Empty(t, soon)
}

// put puts a program into a tree.
func put(t *testing.T, program, at string) {
	t.Helper()
	text, err := os.ReadFile(program)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(at), 0o755)
	}
	if err == nil {
		err = os.WriteFile(at, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A definition of --inject is lived in: the first container puts the program there and ends, the
// app's image begins by it, ECS's check asks the app by it, and the image's own STOPSIGNAL stops the task.
func TestInjectedTaskLives(t *testing.T) {
	t.Parallel()
	bin, dir := programs(t), filepath.Join(t.TempDir(), "volume")
	server := harness.StartServer(t, harness.ServerConfig{})
	address := harness.Address(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	all := injectedTask(t, bin, dir, server.Address, "http://"+address+":8080/health", map[string]any{
		"Entrypoint": []string{"/bin/sh", "-c", `trap 'kill $!' WINCH; "$0" "$@" & wait; wait`, filepath.Join(bin, "app")}, // as httpd ends at WINCH
		"Cmd":        []string{"--name", "shop", "--listen", address + ":8080"}, "StopSignal": "SIGWINCH"})
	// On loopback two tasks would meet at 127.0.0.1:9902, which in ECS each has for itself.
	lease := address + ":9902"
	endpoints := map[string]*harness.Endpoint{}
	start := func(name string) *harness.Process {
		c, endpoint := all[name], harness.StartEndpoint(t, "0a1b2c3d4e5f", "shop", address, name)
		endpoints[name] = endpoint
		for other := range all {
			if other != name {
				endpoint.Set(other, map[string]string{"shop": "UNKNOWN"}[other], nil)
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
	check := all["shop"].HealthCheck.Command
	if len(check) < 3 || check[0] != "CMD" || !strings.HasPrefix(check[1], dir) || check[2] != "probe" {
		t.Fatalf("ECS's check is %q", check)
	}
	asked := func() int { return harness.Start(t, "check", check[1:], nil).Wait(t, soon) }
	if code := asked(); code != 1 {
		t.Errorf("before there is an app its check is %d", code)
	}
	app, mesh := start("shop"), start("meshtask")
	answers(t, "http://"+address+":8080/", 200, "hello from shop")
	if code := asked(); code != 0 {
		t.Errorf("the check is %d", code)
	}
	status(t, server, "shop", "critical") // ECS has not said yet what its check found
	endpoints["meshtask"].Set("shop", "HEALTHY", nil)
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
	server.Empty(t, soon)
}
