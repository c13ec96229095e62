package acl

import (
	"crypto/rand"
	"fmt"

	"meshtask/acl/reconcile"
	"meshtask/internal/secret"
)

// newCreds makes a pair of random IDs.
func newCreds() reconcile.Creds {
	return reconcile.Creds{AccessorID: newUUID(), SecretID: secret.String(newUUID())}
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails since Go 1.24
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
