package config_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/platform/config"
)

const canary = "canary-7f3a"

type commands struct {
	Run struct {
		PortBase    int `default:"3000"`
		Processes   bool
		Level       string        `enum:"info,debug" default:"info"`
		Listen      config.Listen `default:"127.0.0.1:1"`
		DatabaseURL config.Secret
	} `cmd:""`
	Other struct {
		Elsewhere string
	} `cmd:""`
}

func parse(t *testing.T, environ []string, args ...string) (*commands, []config.Setting, string, error) {
	t.Helper()
	var c commands
	var out strings.Builder
	env := config.FromEnviron(environ)
	k, err := kong.New(&c, kong.Name("gx"), kong.Writers(&out, io.Discard), kong.Exit(func(int) {}), env.Options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := k.Parse(append([]string{"run"}, args...))
	if err != nil {
		return &c, nil, out.String(), err
	}
	settings, err := env.Settings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &c, settings, out.String(), nil
}

func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSources(t *testing.T) {
	file := secretFile(t, canary+"\n")
	_, settings, _, err := parse(t, []string{
		"GX_PORT_BASE=4000", "GX_PROCESSES=true", "GX_LEVEL=", "GX_LISTEN=:9", "GX_DATABASE_URL_FILE=" + file,
		"GX_ELSEWHERE=known to another command", "GX_TEST_ANYTHING=1", "HOME=/",
	}, "--listen=:8")
	if err != nil {
		t.Fatal(err)
	}
	want := [][4]string{
		{"port-base", "GX_PORT_BASE", "4000", "GX_PORT_BASE"},
		{"processes", "GX_PROCESSES", "true", "GX_PROCESSES"},
		{"level", "GX_LEVEL", "info", "default"},
		{"listen", "GX_LISTEN", ":8", "flag"},
		{"database-url", "GX_DATABASE_URL", "[redacted]", "GX_DATABASE_URL_FILE"},
	}
	var got [][4]string
	for _, s := range settings {
		got = append(got, [4]string{s.Flag, s.Variable, s.Value, s.Source})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var printed strings.Builder
	if err := config.Print(&printed, settings); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed.String(), canary) || !strings.Contains(printed.String(), "GX_DATABASE_URL_FILE") {
		t.Errorf("printed:\n%s", &printed)
	}
}

func TestSecretValues(t *testing.T) {
	for name, tc := range map[string]struct {
		environ []string
		args    []string
	}{
		"file":               {environ: []string{"GX_DATABASE_URL_FILE=" + secretFile(t, canary)}},
		"file with line end": {environ: []string{"GX_DATABASE_URL_FILE=" + secretFile(t, canary+"\r\n")}},
		"variable":           {environ: []string{"GX_DATABASE_URL=" + canary}},
		"flag wins":          {environ: []string{"GX_DATABASE_URL=another"}, args: []string{"--database-url=" + canary}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _, err := parse(t, tc.environ, tc.args...)
			if err != nil || c.Run.DatabaseURL.Reveal() != canary {
				t.Errorf("%q, %v", c.Run.DatabaseURL.Reveal(), err)
			}
		})
	}
}

func TestErrorsNameTheSetting(t *testing.T) {
	big := secretFile(t, strings.Repeat("x", 65<<10))
	for name, tc := range map[string]struct {
		environ []string
		args    []string
		want    []string
	}{
		"bad number in a variable":  {environ: []string{"GX_PORT_BASE=abc"}, want: []string{"--port-base", "GX_PORT_BASE", "abc"}},
		"bad bool in a variable":    {environ: []string{"GX_PROCESSES=maybe"}, want: []string{"--processes", "GX_PROCESSES"}},
		"bad enum in a variable":    {environ: []string{"GX_LEVEL=loud"}, want: []string{"--level", "loud"}},
		"bad number in a flag":      {args: []string{"--port-base=abc"}, want: []string{"--port-base"}},
		"bad address":               {args: []string{"--listen=nowhere"}, want: []string{"--listen", "nowhere", "HOST:PORT"}},
		"address with bad port":     {environ: []string{"GX_LISTEN=:70000"}, want: []string{"--listen", ":70000"}},
		"misspelt variable":         {environ: []string{"GX_PORT_BAES=4000"}, want: []string{"GX_PORT_BAES", "did you mean GX_PORT_BASE?"}},
		"two unknown variables":     {environ: []string{"GX_ALPHA=1", "GX_OMEGA=1"}, want: []string{"GX_ALPHA is set", "GX_OMEGA is set"}},
		"file of what is no secret": {environ: []string{"GX_PORT_BASE_FILE=/x"}, want: []string{"GX_PORT_BASE_FILE"}},
		"secret twice":              {environ: []string{"GX_DATABASE_URL=" + canary, "GX_DATABASE_URL_FILE=/x"}, want: []string{"--database-url", "GX_DATABASE_URL_FILE"}},
		"secret file missing":       {environ: []string{"GX_DATABASE_URL_FILE=/does/not/exist"}, want: []string{"GX_DATABASE_URL_FILE", "/does/not/exist"}},
		"secret file empty":         {environ: []string{"GX_DATABASE_URL_FILE=" + secretFile(t, "\n")}, want: []string{"GX_DATABASE_URL_FILE", "empty"}},
		"secret file too large":     {environ: []string{"GX_DATABASE_URL_FILE=" + big}, want: []string{"GX_DATABASE_URL_FILE", big}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := parse(t, tc.environ, tc.args...)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the secret is in: %v", err)
			}
		})
	}
}

func TestHelpNamesTheVariables(t *testing.T) {
	_, _, out, _ := parse(t, nil, "--help")
	for _, want := range []string{"($GX_PORT_BASE)", "($GX_DATABASE_URL[_FILE])"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "GX_HELP") {
		t.Error("help has a variable")
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := config.Secret(canary)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "in", struct{ S config.Secret }{s})
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprintf("%v %s %+v %#v %q", s, s, s, s, s), log.String(), string(text)} {
		if strings.Contains(got, canary) || !strings.Contains(got, "[redacted]") {
			t.Errorf("printed %s", got)
		}
	}
	if got := config.Secret("").String(); got != "" {
		t.Errorf("the empty secret prints %q", got)
	}
}

func TestHash(t *testing.T) {
	hash := func(environ ...string) string {
		_, s, _, err := parse(t, environ)
		if err != nil {
			t.Fatal(err)
		}
		return config.Hash(s)
	}
	plain := hash()
	if plain == hash("GX_PORT_BASE=4000") {
		t.Error("another setting has the same hash")
	}
	if hash("GX_PORT_BASE=3000") != plain {
		t.Error("the hash depends on where a value comes from")
	}
	if hash("GX_DATABASE_URL=a") != hash("GX_DATABASE_URL=b") {
		t.Error("the hash tells secrets apart")
	}
}

func TestD43KF21Guessable(t *testing.T) {
	for value, want := range map[config.Secret]bool{
		"": true, "pppppppppppppppppppppppppppppppp": true, "your-secret-key-of-32-bytes-or-more": true, "abababababababababababababababab": true,
		"0123456789abcdef0123456789abcdef": true, "CHANGE-ME-CHANGE-ME-CHANGE-ME-32": true, "this is an example, take another!": true,
		"Jx3pR0vQm8ZtYk1LwUe5Hn7sBf2Gd9Ca": false, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08": false,
	} {
		if got := value.Guessable(); got != want {
			t.Errorf("%q: %t", value.Reveal(), got)
		}
	}
}
