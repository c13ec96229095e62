package metrics

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// consulsFixed are the tags of fixed value in the document of service web.
func consulsFixed() []Tag {
	return []Tag{{Name: "local_cluster", Value: "web"}, {Name: "consul.source.service", Value: "web"}, {Name: "consul.source.namespace", Value: "default"},
		{Name: "consul.source.partition", Value: "default"}, {Name: "consul.source.datacenter", Value: "dc1"}}
}

// recorded is an answer of a live Envoy 1.36.2 with 100 upstreams; e2e/parts has recorded it.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/upstreams100." + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// cpu is the time that this process has had.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkScrape is a scrape of 100 upstreams, from Envoy's answer to ours.
func BenchmarkScrape(b *testing.B) {
	text, stats := recorded(b, "prometheus"), recorded(b, "names")
	names := func() ([]byte, error) { return stats, nil }
	scrape := func(t *Translator) int64 {
		page, err := t.Read(bytes.NewReader(text), names)
		if err != nil {
			b.Fatal(err)
		}
		n, err := page.WriteTo(io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	b.Run("warm", func(b *testing.B) {
		t := New(consulsFixed())
		scrape(t)
		n, begin := scrape(t), cpu()
		for b.Loop() {
			scrape(t)
		}
		b.ReportMetric((cpu()-begin).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		b.ReportMetric(float64(n)/1e6, "MB-out")
	})
	b.Run("cold", func(b *testing.B) {
		begin := cpu()
		for b.Loop() {
			scrape(New(consulsFixed()))
		}
		b.ReportMetric((cpu()-begin).Seconds()*1e3/float64(b.N), "cpu-ms/op")
	})
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		t := New(consulsFixed())
		scrape(t)
		scrape(t)
		runtime.GC()
		runtime.ReadMemStats(&after)
		for b.Loop() { // nothing: the figures are those of one translator
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
		b.ReportMetric(float64(t.count), "series")
		runtime.KeepAlive(t)
	})
}
