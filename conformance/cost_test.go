package conformance

import "time"

// maxRSS is the budget of the init without a mesh, in bytes.
const maxRSS = 14 << 20

// livesRSS is what a thousand lives may add: the record keeps 512 entries, and the heap grows
// by a quarter between collections.
const livesRSS = 3 << 20

func costCases() []kase {
	return []kase{
		{name: "RSS at rest is at most 14 MB", run: func(b *bed) {
			l := b.start(how{}, payload("signals", "15"))
			l.see("up")
			b.eventually("it has come to rest", func() bool { got := rss(l.pid()); return got != 0 && got <= maxRSS })
		}},
		{name: "nothing runs while nothing happens", run: func(b *bed) {
			l := b.start(how{}, sh("echo up; exec sleep 60"))
			l.see("up")
			b.eventually("it has come to rest", func() bool {
				before, _ := switches(l.pid())
				pass(200 * time.Millisecond)
				after, _ := switches(l.pid())
				return before == after
			})
			before, _ := switches(l.pid())
			pass(2 * time.Second)
			if after, threads := switches(l.pid()); after != before || threads == 0 {
				b.Errorf("%d threads were switched %d times in two seconds", threads, after-before)
			}
		}},
	}
}

// pass lets time pass, because that nothing happens in it is what is to be shown.
func pass(d time.Duration) { <-time.After(d) }
