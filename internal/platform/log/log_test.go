package log_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/platform/log"
)

type requestKey struct{}

func attrs(ctx context.Context) []slog.Attr {
	id, ok := ctx.Value(requestKey{}).(string)
	if !ok {
		return nil
	}
	return []slog.Attr{slog.String("requestId", id)}
}

func TestContextAttributes(t *testing.T) {
	in := context.WithValue(t.Context(), requestKey{}, "r1")
	for name, tc := range map[string]struct {
		log  func(*slog.Logger)
		want map[string]any
	}{
		"outside a request": {func(l *slog.Logger) { l.Info("m") }, map[string]any{"msg": "m"}},
		"in a request":      {func(l *slog.Logger) { l.InfoContext(in, "m") }, map[string]any{"msg": "m", "requestId": "r1"}},
		"said already":      {func(l *slog.Logger) { l.InfoContext(in, "m", "requestId", "r2") }, map[string]any{"msg": "m", "requestId": "r2"}},
		"derived logger": {func(l *slog.Logger) { l.With("a", 1).InfoContext(in, "m") },
			map[string]any{"msg": "m", "a": 1.0, "requestId": "r1"}},
		"grouped logger": {func(l *slog.Logger) { l.WithGroup("g").InfoContext(in, "m") },
			map[string]any{"msg": "m", "g": map[string]any{"requestId": "r1"}}},
		"below the level": {func(l *slog.Logger) { l.DebugContext(in, "m") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			tc.log(log.New(&out, log.Options{Attrs: attrs}))
			if strings.Count(out.String(), "requestId") > 1 {
				t.Errorf("the id is said twice: %s", &out)
			}
			var got map[string]any
			if out.Len() > 0 {
				if err := json.Unmarshal(out.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				delete(got, "time")
				delete(got, "level")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	log.New(&out, log.Options{Format: log.Text, Level: slog.LevelWarn}).Warn("hot", "degrees", 90)
	if got := out.String(); !strings.Contains(got, "level=WARN msg=hot degrees=90") {
		t.Error(got)
	}
}

func TestTee(t *testing.T) {
	var all, errors bytes.Buffer
	l := log.Tee(log.New(&all, log.Options{}), log.New(&errors, log.Options{Level: slog.LevelError}))
	l.Info("one")
	l.Error("two")
	if strings.Count(all.String(), "\n") != 2 || strings.Count(errors.String(), "\n") != 1 || !strings.Contains(errors.String(), "two") {
		t.Errorf("all:\n%serrors:\n%s", &all, &errors)
	}
}

func TestParseLevel(t *testing.T) {
	for _, s := range []string{"debug", "info", "warn", "error"} {
		if l, err := log.ParseLevel(s); err != nil || !strings.EqualFold(l.String(), s) {
			t.Errorf("%s: %v, %v", s, l, err)
		}
	}
	if _, err := log.ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), "loud") {
		t.Errorf("loud: %v", err)
	}
}

func TestFileRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gx.log")
	line := []byte(strings.Repeat("x", 99) + "\n")
	f, err := log.OpenFile(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			for range 5 {
				if _, err := f.Write(line); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// 25 lines of 100 bytes: ten, ten (which replaced the first), five.
	for name, lines := range map[string]int{path: 5, path + ".1": 10} {
		content, err := os.ReadFile(name)
		if err != nil || len(content) != lines*len(line) {
			t.Errorf("%s has %d bytes, want %d lines: %v", name, len(content), lines, err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	f, err = log.OpenFile(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(line); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || len(content) != 6*len(line) {
		t.Errorf("after opening again there are %d bytes: %v", len(content), err)
	}
}
