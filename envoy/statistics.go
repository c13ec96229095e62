package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"meshtask/envoy/metrics"
)

const (
	scrapeLimit = 4 * time.Second // of one reading; a collector gives up after ten seconds
	scrapeBody  = 64 << 20        // of one answer; 100 upstreams make 13 MB, or 30 MB with Consul's tags
	scrapeSlots = 2               // readings held at once
)

// Statistics are those of one Envoy, in Prometheus' text format, with the labels that Envoy
// itself gives them where Consul's stats_tags are in its bootstrap document. Safe for
// concurrent use.
type Statistics struct {
	admin    string
	document string
	keep     func(name string) bool
	slots    chan struct{}

	mu         sync.Mutex
	tags       []metrics.Tag       // what translator was made for
	translator *metrics.Translator // nil: not made yet
}

// NewStatistics takes the address of the admin interface, the file of the bootstrap document, and
// which metrics are wanted, by their names with Consul's expressions; nil: all. Of a
// document with expressions of the user's all are passed on, whose names are the user's affair.
func NewStatistics(admin, document string, keep func(name string) bool) *Statistics {
	if keep == nil {
		keep = func(string) bool { return true }
	}
	return &Statistics{admin: admin, document: document, keep: keep, slots: make(chan struct{}, scrapeSlots)}
}

// Read asks Envoy, within four seconds. The page is valid until done is called, which is never
// nil and must be called, also after an error: until then the answer is in memory, and further
// readings may have to wait.
func (s *Statistics) Read(ctx context.Context) (page io.WriterTo, done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeLimit)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, func() {}, errors.New("envoy statistics: earlier scrapes have not ended")
	}
	page, err = s.read(ctx)
	return page, func() { <-s.slots }, err
}

func (s *Statistics) read(ctx context.Context) (io.WriterTo, error) {
	translator, named, err := s.current()
	if err != nil {
		return nil, err
	}
	admin := NewAdmin(s.admin)
	defer admin.Close()
	answer, err := admin.statistics(ctx, "/stats/prometheus")
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	if translator == nil {
		text, err := io.ReadAll(answer)
		if err != nil {
			return nil, fmt.Errorf("envoy statistics: %w", err)
		}
		if named {
			text = metrics.Kept(text, s.keep)
		}
		return bytes.NewReader(text), nil
	}
	page, err := translator.Read(answer, func() ([]byte, error) {
		names, err := admin.statistics(ctx, "/stats")
		if err != nil {
			return nil, err
		}
		defer names.Close()
		return io.ReadAll(names)
	})
	if err != nil {
		return nil, fmt.Errorf("envoy statistics: %w", err)
	}
	page.Keep(s.keep)
	return page, nil
}

// statistics is the answer to a path, if it is a good one.
func (a *Admin) statistics(ctx context.Context, path string) (io.ReadCloser, error) {
	answer, err := a.send(ctx, http.MethodGet, path, scrapeBody)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("envoy admin %s: status %d", path, answer.StatusCode)
	}
	return answer.Body, nil
}

// current is the translator for the document as it is now; nil: the document needs none. named:
// what Envoy prints is called then what Consul's expressions make of it.
func (s *Statistics) current() (t *metrics.Translator, named bool, err error) {
	text, err := os.ReadFile(s.document)
	if err != nil {
		return nil, false, fmt.Errorf("envoy statistics: %w", err)
	}
	tags, translate, err := metrics.Tags(text)
	if err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if translate && (s.translator == nil || !slices.Equal(s.tags, tags)) {
		s.tags, s.translator = tags, metrics.New(tags)
	}
	if !translate {
		s.tags, s.translator = nil, nil
	}
	return s.translator, tags != nil, nil
}
