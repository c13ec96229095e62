package awsfake

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Bucket is a token bucket, as AWS's request quotas are.
type Bucket struct {
	mu    sync.Mutex
	rate  float64
	burst float64
	left  float64
	at    time.Time
	deny  int // calls that find it empty, whatever the time

	throttled int
}

// NewBucket makes a full one.
func NewBucket(rate, burst float64) *Bucket {
	return &Bucket{rate: rate, burst: burst, left: burst, at: time.Now()}
}

// Refuse has the next n calls find it empty, however slow they come.
func (b *Bucket) Refuse(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deny = n
}

// Throttled is how many calls found it empty.
func (b *Bucket) Throttled() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.throttled
}

// take takes one call from it; false: there is none. A nil bucket never ends.
func (b *Bucket) take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.left = min(b.burst, b.left+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.deny > 0 || b.left < 1 {
		b.deny = max(0, b.deny-1)
		b.throttled++
		return false
	}
	b.left--
	return true
}

func staticCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAFAKE", SecretAccessKey: "fake"}, nil
}
