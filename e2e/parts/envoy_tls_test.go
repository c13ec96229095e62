package parts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/envoy"
)

// An agent whose gRPC speaks TLS, with a certificate that only the given CA
// vouches for.
func TestEnvoyOverTLS(t *testing.T) {
	address, dir := harness.Address(t), t.TempDir()
	ca, cert, key := selfSigned(t, address)
	for name, text := range map[string]string{"ca.pem": ca, "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := newEnvoyBedOn(t, harness.ServerConfig{Address: address, Extra: map[string]any{
		"ports": map[string]any{"dns": -1, "serf_wan": -1, "grpc": -1, "grpc_tls": 8503},
		"tls": map[string]any{"grpc": map[string]any{
			"ca_file": filepath.Join(dir, "ca.pem"), "cert_file": filepath.Join(dir, "cert.pem"), "key_file": filepath.Join(dir, "key.pem"),
		}},
	}})
	b.register(nil)
	other, _, _ := selfSigned(t, address)
	for _, byCommand := range []bool{false, true} {
		b.bootstrap(func(w *envoy.Bootstrap) {
			w.XDS, w.CA, w.UseCommand = address+":8503", ca, byCommand
		})
		l := b.start(nil)
		b.up(l)
		b.end(l)
	}
	b.bootstrap(func(w *envoy.Bootstrap) { w.XDS, w.CA = address+":8503", other })
	b.notReady(1500*time.Millisecond, nil)
}

func selfSigned(t *testing.T, address string) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server.dc1.consul"}, DNSNames: []string{"server.dc1.consul"},
		IPAddresses: []net.IP{net.ParseIP(address)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, cert, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))
}
