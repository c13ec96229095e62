package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl"
	"meshtask/internal/dev"
	"meshtask/internal/event"
)

// config is one that New takes.
func config(metadata string) Config {
	return Config{ACL: acl.Config{SecretPrefix: "p", Log: hclog.NewNullLogger()}, Consul: acl.Server{Address: "127.0.0.1:1"}, Metadata: metadata}
}

func made(t *testing.T, c Config) *Daemon {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	c := config("")
	c.Consul.Address = ""
	_, err := New(c)
	if err == nil || !strings.Contains(err.Error(), "CONSUL_HTTP_ADDR: give") || !strings.Contains(err.Error(), "--cluster: required outside of an ECS task") {
		t.Errorf("%v", err)
	}
}

// Before it is known for which cluster, there is nothing to measure; a signal ends the wait.
func TestASignalEndsAStart(t *testing.T) {
	for once, want := range map[bool]int{false: 0, true: 1} {
		asked := make(chan struct{}, 100)
		metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			w.WriteHeader(http.StatusInternalServerError)
		}))
		defer metadata.Close()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		signals := make(chan os.Signal, 2)
		c := config(metadata.URL)
		c.ACL.Once, c.Signals = once, signals
		d, code, ended := made(t, c), 0, make(chan struct{})
		go func() { code, err = d.Run(context.Background(), l); close(ended) }()
		<-asked
		for _, path := range []string{"/health", "/metrics"} {
			resp, err := http.Get("http://" + l.Addr().String() + path)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable || string(text) != "starting\n" {
				t.Errorf("%s: %d %q", path, resp.StatusCode, text)
			}
		}
		signals <- syscall.SIGUSR1 // means nothing
		signals <- syscall.SIGTERM
		<-ended
		if code != want || err != nil {
			t.Errorf("once %v: code %d, %v; want %d", once, code, err, want)
		}
	}
}

// Who is told the cluster and the Region asks nobody; a Region that the SDK lacks is the task's
// or that of an ARN.
func TestIdentify(t *testing.T) {
	metadata := httptest.NewServer(dev.Metadata(dev.Task{ID: "abc", Service: "controller", Address: "127.77.0.2"}))
	defer metadata.Close()
	const gone = "http://127.0.0.1:1/v4/abc"
	for _, c := range []struct{ metadata, cluster, region, wantCluster, wantRegion string }{
		{metadata.URL + "/v4/abc", "", "", "arn:aws:ecs:local:000000000000:cluster/dev", "local"},
		{metadata.URL + "/v4/abc", "mine", "", "mine", "local"},
		{gone, "mine", "eu-west-1", "mine", ""},
		{"", "mine", "", "mine", ""},
	} {
		cfg := config(c.metadata)
		cfg.ACL.Cluster, cfg.Region = c.cluster, c.region
		d := made(t, cfg)
		if err := d.identify(t.Context()); err != nil || (d.cfg.ACL.ClusterARN != "") != (c.cluster == "") || d.cfg.ACL.Cluster != c.wantCluster || d.region != c.wantRegion {
			t.Errorf("%+v: cluster %q, Region %q, %v", c, d.cfg.ACL.Cluster, d.region, err)
		}
	}
	d := made(t, config("not a URL"))
	if err := event.CauseOf(d.identify(t.Context())); err == nil || err.Code != event.Metadata {
		t.Errorf("%v", err)
	}
}
