// Package parts tests consulagent and envoy alone against the real Consul and
// the real Envoy. Its tests run one after another: each has a supervisor in
// this process, which reaps whatever ends.
package parts
