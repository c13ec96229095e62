package harness

import (
	"os"
	"os/exec"
	"path/filepath"
)

// TLS has consul make a CA and a server's certificate for datacenter dc1: it returns tls.defaults
// of that server's configuration, which the caller may add to, and the CA in PEM. The certificate
// has these names too.
func TLS(t T, names ...string) (defaults map[string]any, ca string) {
	t.Helper()
	dir := t.TempDir()
	cert := []string{"tls", "cert", "create", "-server", "-dc", "dc1"}
	for _, name := range names {
		cert = append(cert, "-additional-dnsname", name)
	}
	for _, args := range [][]string{{"tls", "ca", "create"}, cert} {
		cmd := exec.CommandContext(t.Context(), Consul(t), args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("consul %v: %v\n%s", args, err, out)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	text, err := os.ReadFile(in("consul-agent-ca.pem"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return map[string]any{"ca_file": in("consul-agent-ca.pem"), "cert_file": in("dc1-server-consul-0.pem"), "key_file": in("dc1-server-consul-0-key.pem")}, string(text)
}
