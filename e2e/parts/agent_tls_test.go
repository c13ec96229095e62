package parts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/consulagent"
	"meshtask/e2e/harness"
	"meshtask/supervisor"
)

// With a CA, the agent takes nobody for a server but who has a certificate for
// server.<datacenter>.<domain>: any holder of another one by the same CA could play it. Who
// cannot have such certificates says so.
func TestAgentVerifiesServers(t *testing.T) {
	for name, c := range map[string]struct {
		names   []string // in the servers' certificates
		verify  bool
		encrypt bool
		refused string
	}{
		"the servers' name":                   {names: []string{"server.dc1.consul"}, verify: true, encrypt: true},
		"the servers' name, no auto_encrypt":  {names: []string{"server.dc1.consul"}, verify: true},
		"another name":                        {names: []string{"client.dc1.consul"}, verify: true, encrypt: true, refused: "client.dc1.consul, not server.dc1.consul"},
		"another name, no auto_encrypt":       {names: []string{"client.dc1.consul"}, verify: true, refused: "client.dc1.consul, not server.dc1.consul"},
		"another name, and nobody looks":      {names: []string{"client.dc1.consul"}, encrypt: true},
		"another datacenter's servers":        {names: []string{"server.dc2.consul"}, verify: true, encrypt: true, refused: "server.dc2.consul, not server.dc1.consul"},
		"another name, not looked at, no enc": {names: []string{"client.dc1.consul"}},
	} {
		t.Run(name, func(t *testing.T) {
			address, dir := harness.Address(t), t.TempDir()
			ca := issue(t, dir, address, c.names)
			b := newAgentBed(t, harness.ServerConfig{Address: address, Extra: map[string]any{
				"auto_encrypt": map[string]any{"allow_tls": true},
				"tls": map[string]any{
					"defaults": map[string]any{"ca_file": filepath.Join(dir, "ca.pem"), "cert_file": filepath.Join(dir, "cert.pem"),
						"key_file": filepath.Join(dir, "key.pem"), "verify_outgoing": true},
					"internal_rpc": map[string]any{"verify_incoming": c.encrypt}, // without it, agents need no certificate
				},
			}})
			a := b.agent("t1")
			a.doc.CAFile, a.doc.CACert = filepath.Join(a.dir, "ca.pem"), ca
			a.doc.AutoEncrypt, a.doc.VerifyServerHostname = c.encrypt, c.verify
			if c.refused != "" {
				a.cfg.JoinTimeout = 5 * time.Second
			}
			a.run(supervisor.Policy{})
			if c.refused == "" {
				a.up()
				if result, _ := a.leave(); result != "verified" {
					t.Errorf("left: %s", result)
				}
				return
			}
			select {
			case <-a.ready:
				t.Fatal("it has joined servers that it cannot know")
			case <-a.done:
			case <-time.After(time.Minute): // a bound for a failure
				t.Fatal("it has not given up")
			}
			join, ok := errors.AsType[*consulagent.JoinError](a.err)
			if !ok || !strings.Contains(join.Error(), c.refused) || !strings.Contains(join.Error(), "consulAgent.verifyServerHostname") {
				t.Errorf("the refusal is not clear: %v", a.err)
			}
		})
	}
}

// issue makes a CA, and by it a certificate for the names and the address, as ca.pem,
// cert.pem and key.pem in dir.
func issue(t *testing.T, dir, address string, names []string) (ca string) {
	t.Helper()
	authority, caKey := template("CA"), newKey(t)
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER := create(t, authority, authority, caKey, caKey)
	leaf, key := template("leaf"), newKey(t)
	leaf.DNSNames, leaf.IPAddresses = names, []net.IP{net.ParseIP(address)}
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der := create(t, leaf, authority, key, caKey)
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca = encode("CERTIFICATE", caDER)
	for name, text := range map[string]string{"ca.pem": ca, "cert.pem": encode("CERTIFICATE", der), "key.pem": encode("EC PRIVATE KEY", secret)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return ca
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func create(t *testing.T, what, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, what, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
