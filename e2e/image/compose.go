package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"meshtask/e2e/harness"
)

// composeFile is what our compose file has. Anything else is refused: it would
// not be played.
type composeFile struct {
	Services map[string]composeService
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
}

type composeService struct {
	Image           string
	Build           struct{ Context, Target string }
	Command         []string
	Environment     map[string]string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	Ports           []string
	Networks        map[string]struct {
		Address string `yaml:"ipv4_address"`
	}
}

func readCompose(file string) (*composeFile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var c composeFile
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	return &c, d.Decode(&c)
}

// address is the service's only one.
func (s composeService) address() string {
	for _, n := range s.Networks {
		return n.Address
	}
	return ""
}

// compose plays the compose file: each service in a network namespace of its own,
// with its address, joined by a bridge as an engine would.
func (r *report) compose(images map[string]*image) {
	const what = "compose.yaml: both services pass at the server, and web calls api through the mesh"
	_, noIP := exec.LookPath("ip")
	switch {
	case os.Geteuid() != 0:
		r.untested(what, "networks between containers are made by root only")
		return
	case noIP != nil:
		r.untested(what, "ip is not on PATH (Debian: apt-get install iproute2)")
		return
	}
	began := time.Now()
	file := filepath.Join(harness.Root(r), "deploy", "compose.yaml")
	c, err := readCompose(file)
	if err != nil {
		r.Fatalf("%s: %v", file, err)
	}
	gateway, bits := c.network(r)
	r.ip("link", "add", "mesh0", "type", "bridge")
	r.ip("addr", "add", gateway+bits, "dev", "mesh0")
	r.ip("link", "set", "mesh0", "up")
	tasks := map[*container]int{}
	for i, name := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[name]
		img := images[s.Build.Target]
		if s.Build.Target == "" {
			img = images[name]
		} else if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			r.Fatalf("%s: %s is not confined as boxes are", file, name)
		}
		var env []string
		for k, v := range s.Environment {
			env = append(env, k+"="+v)
		}
		started := r.start(name, img, r.plug(i, s.address()+bits), env, s.Command...)
		if s.Build.Target != "" {
			tasks[started] = 0
		}
	}
	consul := &harness.Server{API: harness.Client(r, c.Services["consul"].address()+":8500", "")}
	consul.Passing(r, soon, "api", 1)
	consul.Passing(r, soon, "web", 1)
	answer := ""
	err = harness.Poll(r.Context(), soon, func() (err error) {
		answer, err = get("http://" + c.Services["web"].address() + ":8080/call")
		return err
	})
	if !strings.Contains(answer, "hello from api") {
		err = errors.Join(err, fmt.Errorf("it answered %q", answer))
	}
	r.judge(what, began, err)
	began = time.Now()
	err = stop(r, tasks)
	for c := range tasks {
		err = errors.Join(err, r.left(c))
	}
	r.judge("compose.yaml: TERM to both, 0 and 0, agents left", began, err)
}

// network is the host's own address in the only network, and its "/24".
func (c *composeFile) network(t harness.T) (gateway, bits string) {
	for _, n := range c.Networks {
		base, size, ok := strings.Cut(n.IPAM.Config[0].Subnet, "/")
		if len(c.Networks) == 1 && ok && strings.HasSuffix(base, ".0") {
			return strings.TrimSuffix(base, "0") + "1", "/" + size
		}
	}
	t.Fatalf("want one network, with a subnet: %v", c.Networks)
	return "", ""
}

// plug makes a network namespace with this address on the bridge, and returns the
// pid of the process that holds it.
func (r *report) plug(i int, address string) int {
	holder := harness.Start(r, "net"+strconv.Itoa(i), []string{"unshare", "--net", harness.App(r), "--listen", ""}, nil)
	harness.Eventually(r, soon, "a network namespace", func() error {
		if !strings.Contains(holder.Output(), "serves") {
			return fmt.Errorf("%s", holder.Output())
		}
		return nil
	})
	pid, port := strconv.Itoa(holder.PID), "mesh0p"+strconv.Itoa(i)
	r.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", pid)
	r.ip("link", "set", port, "master", "mesh0", "up")
	inside := []string{"nsenter", "--net=/proc/" + pid + "/ns/net", "ip"}
	r.do(append(inside, "link", "set", "lo", "up"))
	r.do(append(inside, "addr", "add", address, "dev", "eth0"))
	r.do(append(inside, "link", "set", "eth0", "up"))
	return holder.PID
}

func (r *report) ip(args ...string) { r.do(append([]string{"ip"}, args...)) }

func (r *report) do(argv []string) {
	if out, err := exec.CommandContext(r.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		r.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
}

func get(url string) (string, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}
