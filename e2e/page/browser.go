package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"meshtask/e2e/harness"
)

// browser is one Chromium with one page.
type browser struct {
	ctx    context.Context
	origin string

	mu    sync.Mutex
	found []string // what should not have happened
}

// remember keeps what the page has shown, each once: a state may have passed before we ask.
const remember = `window.shown = new Set();
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  const text = id => document.getElementById(id).textContent;
  shown.add("state " + document.body.dataset.state).add("note " + text("stop-note")).add("left " + text("stop-left")).add("cause " + text("cause"));
}).observe(document.documentElement, { subtree: true, childList: true, attributes: true, characterData: true }));`

// openBrowser starts Chromium; it ends with t.
func openBrowser(t harness.T, program string) *browser {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which it cannot have as root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	b := &browser{}
	b.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err := chromedp.Listen(b.ctx, b.hear)
	if err == nil {
		_, err = chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		_, err = chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: remember})
	}
	if err != nil {
		t.Fatalf("cannot start %s: %v", program, err)
	}
	return b
}

// hear collects what a browser says of a page.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	find := func(format string, args ...any) { b.found = append(b.found, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, b.origin) {
			find("a request to %s", url)
		}
	case *log.EventEntryAdded:
		find("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *runtime.EventConsoleAPICalled:
		find("console.%s: %s", e.Type, quoted(fmt.Sprint(e.Args)))
	case *runtime.EventExceptionThrown:
		find("%v", e.ExceptionDetails)
	}
}

// clean fails when something was heard.
func (b *browser) clean(t harness.T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.found) > 0 {
		t.Fatalf("the browser says:\n  %s", strings.Join(b.found, "\n  "))
	}
}

// open goes to the page, which has to come with its policy.
func (b *browser) open(t harness.T, url string) {
	b.origin = url
	b.view(t, look{width: 1200, scheme: "light"})
	answer, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(url))
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	if policy := fmt.Sprint(answer.Headers["Content-Security-Policy"]); answer.Status != 200 || !strings.HasPrefix(policy, "default-src 'none';") {
		t.Fatalf("%s: status %d, policy %q", url, answer.Status, policy)
	}
}

// until waits for an expression to be true of the page.
func (b *browser) until(t harness.T, what, expression string) {
	harness.Eventually(t, soon, what, func() error {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if err != nil || is {
			return err
		}
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`)) // for the message
		b.mu.Lock()
		defer b.mu.Unlock()
		return fmt.Errorf("not so; the browser says %q, the page:\n%s", b.found, text)
	})
	t.Logf("  %s", what)
}

// shown waits until the page has shown what matches a pattern, now or before.
func (b *browser) shown(t harness.T, what, pattern string) {
	b.until(t, what, fmt.Sprintf(`[...shown].some(s => new RegExp(%s).test(s))`, quoted(pattern)))
}

// holds waits until a condition is shown to hold, or not to.
func (b *browser) holds(t harness.T, name string, ok bool) {
	class, what := "no", name+" does not hold"
	if ok {
		class, what = "yes", name+" holds"
	}
	b.until(t, what, fmt.Sprintf(`document.querySelector('#conditions li.%s[data-name=%s]') !== null`, class, quoted(name)))
}

// look is how the page is looked at.
type look struct {
	width  int64
	scheme string // light, dark
}

func (b *browser) view(t harness.T, l look) {
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 900, DeviceScaleFactor: 1, Mobile: l.width < 600})
	if err == nil {
		_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}})
	}
	if err != nil {
		t.Fatalf("cannot set the view %v: %v", l, err)
	}
}

// misfits lists what does not fit: a page that is wider than its window, text of the drawing
// that is cut or lies on other text, a box whose text is cut.
const misfits = `(() => {
  const out = [], root = document.documentElement;
  if (root.scrollWidth > innerWidth) out.push("the page is " + root.scrollWidth + " px wide");
  const texts = [...document.querySelectorAll("#drawing text")].map(e => ({ text: e.textContent, box: e.getBoundingClientRect() }));
  const frame = document.getElementById("drawing").getBoundingClientRect();
  texts.forEach((a, i) => {
    if (a.box.left < frame.left - 6 || a.box.right > frame.right + 6) out.push("cut: " + a.text);
    for (const b of texts.slice(i + 1))
      if (a.box.left + 1 < b.box.right && b.box.left + 1 < a.box.right && a.box.top + 3 < b.box.bottom && b.box.top + 3 < a.box.bottom) out.push("on each other: " + a.text + ", " + b.text);
  });
  for (const e of document.querySelectorAll("h1, h2, p, .name, .since, .reason, .what"))
    if (e.offsetParent && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline") out.push("too wide: " + e.textContent);
  return out.join("; ");
})()`

// fits checks the page at every width that it is made for.
func (b *browser) fits(t harness.T) {
	for _, width := range []int64{400, 640, 821, 1200, 1600} {
		b.view(t, look{width: width, scheme: "light"})
		harness.Eventually(t, soon, fmt.Sprintf("everything fits at %d px", width), func() error {
			wrong, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](misfits))
			if err == nil && wrong != "" {
				err = errors.New(wrong)
			}
			return err
		})
	}
	b.view(t, look{width: 1200, scheme: "light"})
}

// shotLimit is how large a picture of the documentation may be.
const shotLimit = 150 << 10

// shoot takes a picture of the whole page.
func (b *browser) shoot(t harness.T, dir, name string, l look) {
	if dir == "" {
		return
	}
	b.view(t, l)
	// Two frames later the page has been drawn at the new width.
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, chromedp.EvalAwaitPromise))
	var picture []byte
	if err == nil {
		picture, err = chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	}
	if err == nil {
		picture, err = small(picture)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(picture) > shotLimit {
		t.Fatalf("%s has %d bytes", name, len(picture))
	}
	file := filepath.Join(dir, name+".png")
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("  %s: %d bytes", file, len(picture))
	b.view(t, look{width: 1200, scheme: "light"})
}
