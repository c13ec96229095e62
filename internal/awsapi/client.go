package awsapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// attemptLimit bounds one attempt, from its connection to the end of its answer.
	attemptLimit = 30 * time.Second
	// maxAnswer is far above the longest answer of AWS: 100 tasks with their tags.
	maxAnswer = 16 << 20
	// skewLimit is how wrong our clock may be before it is corrected; AWS
	// refuses signatures that are 5 minutes off.
	skewLimit = 4 * time.Minute
)

// service is one API, as the SDK and the signature name it.
type service struct {
	id      string // of the SDK's settings, such as "Secrets Manager"
	signing string // also the first label of its hosts
	target  string // prefix of X-Amz-Target
}

// client calls one service in one Region. It is safe for concurrent use.
type client struct {
	service
	url     string
	broken  error // why there is no url
	region  string
	http    aws.HTTPClient
	creds   aws.CredentialsProvider
	retryer aws.RetryerV2
	skew    atomic.Int64 // how far AWS's clock is ahead of ours, when that matters
}

func newClient(cfg aws.Config, s service) *client {
	c := &client{service: s, region: cfg.Region, http: cfg.HTTPClient, creds: cfg.Credentials, retryer: retryer(cfg)}
	if c.http == nil {
		c.http = awshttp.NewBuildableClient()
	}
	c.url, c.broken = endpoint(cfg, s)
	return c
}

// retryer is the one that is set, or the SDK's by its mode.
func retryer(cfg aws.Config) aws.RetryerV2 {
	if cfg.Retryer != nil {
		if r, ok := cfg.Retryer().(aws.RetryerV2); ok {
			return r
		}
	}
	attempts := func(o *retry.StandardOptions) {
		if cfg.RetryMaxAttempts > 0 {
			o.MaxAttempts = cfg.RetryMaxAttempts
		}
	}
	if cfg.RetryMode == aws.RetryModeAdaptive {
		return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) { o.StandardOptions = append(o.StandardOptions, attempts) })
	}
	return retry.NewStandard(attempts)
}

// call carries an operation out and decodes its answer into out. An error of
// the service is an *Error; any other one means that no answer was understood.
func (c *client) call(ctx context.Context, operation string, in, out any) error {
	if err := c.try(ctx, operation, in, out); err != nil {
		return fmt.Errorf("%s:%s: %w", c.signing, operation, err)
	}
	return nil
}

func (c *client) try(ctx context.Context, operation string, in, out any) error {
	if c.broken != nil {
		return c.broken
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	release := func(error) error { return nil }
	for attempt := 1; ; attempt++ {
		attempted, err := c.retryer.GetAttemptToken(ctx)
		if err != nil {
			return err
		}
		skew := c.skew.Load()
		err = c.attempt(ctx, operation, body, out)
		_ = release(err)   // the SDK's own retryers never fail here
		_ = attempted(err) //
		if err == nil || ctx.Err() != nil {
			return err
		}
		again := c.retryer.IsErrorRetryable(err) || doubtsClock(err) && c.skew.Load() != skew
		if limit := c.retryer.MaxAttempts(); !again || limit > 0 && attempt >= limit {
			return err
		}
		var quota error
		if release, quota = c.retryer.GetRetryToken(ctx, err); quota != nil {
			return errors.Join(err, quota)
		}
		delay, _ := c.retryer.RetryDelay(attempt, err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(delay):
		}
	}
}

// attempt sends one signed request.
func (c *client) attempt(ctx context.Context, operation string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", c.target+"."+operation)
	req.Header.Set("User-Agent", "meshtask")
	if c.creds == nil {
		return errors.New("no AWS credentials")
	}
	creds, err := c.creds.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("AWS credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	now := time.Now().Add(time.Duration(c.skew.Load()))
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), c.signing, c.region, now); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &lost{err}
	}
	defer resp.Body.Close()
	c.watchClock(resp.Header)
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &lost{err}
	case len(answer) > maxAnswer:
		return fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return refusal(resp, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("its answer is not understood: %w", err)
	}
	return nil
}

// watchClock remembers how wrong our clock is, or that it no longer is.
func (c *client) watchClock(h http.Header) {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	if skew := time.Until(theirs); skew.Abs() > skewLimit {
		c.skew.Store(int64(skew))
	} else {
		c.skew.Store(0)
	}
}
