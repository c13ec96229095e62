package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"time"

	"meshtask/e2e/harness"
)

// maxBytes is the budget of the program's size.
const maxBytes = 30e6

// programs looks at the program in the image, and at those of two more builds: one
// with a compiler's cache of its own, one for the other architecture.
func (r *report) programs(make func(request) engine, context string, b *bases, program string) {
	began := time.Now()
	r.judge("meshtask is static, stripped, within 30 MB, and knows what it was built from", began, static(program, runtime.GOARCH))

	began = time.Now()
	again := newRequest(context, b.cold(r), runtime.GOARCH)
	r.judge("a second build, with an empty compiler cache, gives the same bytes", began,
		same(program, make(again).stage(r, "meshtask").Tree+"/meshtask"))

	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	began = time.Now()
	foreign := make(newRequest(context, b, other)).stage(r, "meshtask").Tree + "/meshtask"
	r.judge("the same target for "+other+" is a static program for "+other, began, static(foreign, other))
}

// cold is b with a compiler cache that nobody has used.
func (b *bases) cold(t harness.T) *bases {
	out := &bases{trees: b.trees, env: b.env}
	for _, bind := range b.binds {
		if cache := goEnv(t, "GOCACHE"); bind == cache+":"+cache {
			bind = t.TempDir() + ":" + cache
		}
		out.binds = append(out.binds, bind)
	}
	return out
}

func same(a, b string) error {
	x, errX := sum(a)
	y, errY := sum(b)
	switch {
	case errX != nil:
		return errX
	case errY != nil:
		return errY
	case x != y:
		return fmt.Errorf("%s has %s, %s has %s", a, x, b, y)
	}
	return nil
}

func sum(file string) (string, error) {
	text, err := os.ReadFile(file)
	return fmt.Sprintf("%x", sha256.Sum256(text)), err
}

func static(file, arch string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		return fmt.Errorf("it is for %v, want %v", f.Machine, want)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("it has a segment %v: not static", p.Type)
		}
	}
	if f.Section(".debug_info") != nil || f.Section(".zdebug_info") != nil || f.Section(".symtab") != nil {
		return fmt.Errorf("it is not stripped")
	}
	if info, err := os.Stat(file); err != nil || info.Size() > maxBytes {
		return fmt.Errorf("it has %d bytes, at most %d are allowed: %w", info.Size(), int64(maxBytes), err)
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if info.Path != "meshtask/cmd/meshtask" || settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" || settings["GOARCH"] != arch || len(info.Deps) == 0 {
		return fmt.Errorf("its build information is %s %v", info.Path, settings)
	}
	return nil
}
