package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// claimPort marks an address as taken. It lies below the ephemeral range and no
// real part uses it.
const claimPort = 29999

// Address returns a loopback address 127.x.y.z that is the caller's until the
// test has ended, so default ports can be kept. The claim is a bound socket:
// the kernel keeps it unique across processes and frees it however we die.
func Address(t T) string {
	t.Helper()
	// Below 127.8 people run things by hand, and 127.255 is broadcast to some.
	return claim(t, func() string {
		return fmt.Sprintf("127.%d.%d.%d", 8+rand.IntN(240), rand.IntN(256), 1+rand.IntN(254))
	})
}

// NearAddress is Address within 127.0.0.2 to 127.0.0.254.
func NearAddress(t T) string {
	t.Helper()
	return claim(t, func() string { return fmt.Sprintf("127.0.0.%d", 2+rand.IntN(253)) })
}

func claim(t T, candidate func() string) string {
	t.Helper()
	for range 1000 {
		ip := candidate()
		claim, err := net.Listen("tcp", fmt.Sprintf("%s:%d", ip, claimPort))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = claim.Close() })
		return ip
	}
	t.Fatalf("no loopback address is free: 1000 tries")
	return ""
}
