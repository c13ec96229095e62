// Package secret knows references to secrets in ECS's own valueFrom syntax and
// how to wait for what they name. It knows what a store must answer, not how a
// store is asked: package awsstore does, so that code that only parses a
// reference does not load the AWS SDK.
package secret

import "log/slog"

const redacted = "[redacted]"

// String is a secret in memory. Whoever prints it, prints "[redacted]";
// Reveal gives the text to those who need it.
type String string

// Reveal returns the secret itself. Never log it or pass it in argv.
func (s String) Reveal() string { return string(s) }

// String redacts.
func (String) String() string { return redacted }

// GoString redacts.
func (String) GoString() string { return redacted }

// MarshalJSON redacts.
func (String) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText redacts.
func (String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue redacts.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }
