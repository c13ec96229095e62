// Package page shows a running task in a browser: one HTML page that needs nothing else, and
// the stream of server-sent events that it draws.
//
// It knows what a watcher sees and at which rate, and nothing of how a task works: it is asked
// by its Source. What is in a Task may be seen by every process that reaches loopback.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
)

var (
	//go:embed page.html
	document []byte
	//go:embed page.css
	style []byte
	//go:embed page.js
	script []byte
)

// Paths of the page and of its stream, as net/http matches them.
const (
	Path       = "/{$}"
	EventsPath = "/events"
)

// Page serves the page: no other address is in it, and its policy allows none.
func Page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := bytes.Replace(bytes.Replace(document, []byte("/*style*/"), style, 1), []byte("/*script*/"), script, 1)
		h := w.Header()
		headers(h)
		h.Set("Content-Security-Policy", policy())
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text) // the reader may be gone
	})
}

// policy allows the page's own style and script by their digests, its picture, and its stream.
func policy() string {
	digest := func(text []byte) string {
		sum := sha256.Sum256(text)
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + digest(style) + "; script-src " + digest(script) +
		"; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// headers are those of every answer of ours.
func headers(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
