package builder

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func call(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stderr bytes.Buffer
	code, ok := Main(append([]string{"/somewhere/bin/" + args[0]}, args[1:]...), &stderr)
	if !ok {
		t.Fatalf("%q is not the builder's", args)
	}
	return code, stderr.String()
}

func TestBuild(t *testing.T) {
	metadata := write(t, t.TempDir(), "metadata.json", `{"type":"ccaas","label":"gxtv3_1"}`)
	source := write(t, t.TempDir(), "connection.json", `{"address":"127.0.0.1:9999","dial_timeout":"3s","tls_required":true}`)
	output, released := t.TempDir(), t.TempDir()
	tls := write(t, t.TempDir(), "cert.pem", "certificate")
	write(t, tls, "key.pem", "key")
	write(t, tls, "ca.pem", "authority")
	t.Setenv(TLSDir, tls)
	for _, args := range [][]string{{"detect", source, metadata}, {"build", source, metadata, output}, {"release", output, released}} {
		if code, stderr := call(t, args...); code != 0 {
			t.Fatalf("%s: %d, %s", args[0], code, stderr)
		}
	}
	content, err := os.ReadFile(filepath.Join(released, "chaincode", "server", "connection.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got Connection
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	want := Connection{Address: "127.0.0.1:9999", DialTimeout: "3s", TLSRequired: true, ClientAuthRequired: true, ClientKey: "key", ClientCert: "certificate", RootCert: "authority"}
	if got != want {
		t.Errorf("released %+v, want %+v", got, want)
	}
}

func TestRefusals(t *testing.T) {
	empty := t.TempDir()
	other := write(t, t.TempDir(), "metadata.json", `{"type":"golang","label":"x"}`)
	source := write(t, t.TempDir(), "connection.json", `{"address":"a:1","tls_required":true}`)
	for name, test := range map[string]struct{ args []string }{
		"another type":   {[]string{"detect", empty, other}},
		"no metadata":    {[]string{"detect", empty, empty}},
		"no connection":  {[]string{"build", empty, empty, empty}},
		"no credentials": {[]string{"release", source, empty}},
	} {
		t.Setenv(TLSDir, filepath.Join(empty, "absent"))
		if code, stderr := call(t, test.args...); code != 1 || !strings.HasPrefix(stderr, "gx: ") {
			t.Errorf("%s: %d, %q", name, code, stderr)
		}
	}
	for _, args := range [][]string{{"/bin/gx"}, {"/bin/gx", "up"}, {"detect", "one"}, {"/bin/build"}, {"release", "1", "2", "3"}} {
		if _, ok := Main(args, nil); ok {
			t.Errorf("%q is the builder's", args)
		}
	}
}
