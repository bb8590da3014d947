package main

import (
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/internal/platform/pgembed"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/totp"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gx": main})
}

// testKey is the script's value for its test.
type testKey struct{}

func testOf(ts *testscript.TestScript) testing.TB { return ts.Value(testKey{}).(testing.TB) }

// patienceOfTests bounds everything that a script waits for.
const patienceOfTests = 60 * time.Second

func TestScripts(t *testing.T) {
	_, missing := pgembed.FindBinaries()
	if missing != nil && os.Getenv("GX_REQUIRE_POSTGRES") == "1" {
		t.Fatal(missing)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[testKey{}] = env.T().(testing.TB)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "postgres":
				return missing == nil, nil
			case "newman":
				_, err := os.Stat(newmanPath)
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await":    await,
			"get":      get,
			"login":    logIn,
			"field":    field,
			"newman":   newman,
			"pick":     pick,
			"code":     code,
			"busy":     busy,
			"free":     free,
			"database": database,
			"sql":      sql,
			"crash":    crash,
			"gone":     gone,
			"nothing":  nothing,
			"until":    untilPrinted,

			"terminate": terminate,
		},
	})
}

// until polls a condition that another process brings about.
func until(ts *testscript.TestScript, what string, holds func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patienceOfTests); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// await FILE waits until the file exists.
func await(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, args[0], func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// fetch reads a URL of the system that a ready file describes: WHERE is "ops",
// the name of a service or, with "ops:", that of a process; or a port, and the
// file is "-".
func fetch(ts *testscript.TestScript, readyFile, where, path string) (int, string, error) {
	if readyFile == "-" {
		return read("http://" + loopback + ":" + where + path)
	}
	var r datadir.Running
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(readyFile)), &r))
	url := r.Services[where]
	if name, ok := strings.CutPrefix(where, "ops"); ok {
		if url = r.Ops; name != "" {
			url = r.Workers[name[1:]]
		}
	}
	return read(url + path)
}

func read(url string) (int, string, error) {
	response, err := probe.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// get READYFILE WHERE PATH STATUS [TEXT] waits until the answer has the status,
// and the text, and prints it.
func get(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[3])
	ts.Check(err)
	var status int
	var body string
	until(ts, strings.Join(args, " "), func() bool {
		status, body, err = fetch(ts, args[0], args[1], args[2])
		return err == nil && status == want && (len(args) == 4 || strings.Contains(body, args[4]))
	})
	_, err = io.WriteString(ts.Stdout(), body)
	ts.Check(err)
}

// login READYFILE PASSWORDFILE logs the first member of staff in.
func logIn(ts *testscript.TestScript, neg bool, args []string) {
	var r datadir.Running
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, r.StaffUser, strings.TrimSpace(ts.ReadFile(args[1])))
	response, err := probe.Post(r.Services["admin"]+"/api/v1/admin/auth/login", "application/json", strings.NewReader(body))
	ts.Check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	ts.Check(err)
	if (response.StatusCode == http.StatusOK) == neg {
		ts.Fatalf("login: %s: %s", response.Status, answer)
	}
}

// field READYFILE NAME VAR sets a variable to a member of the ready file.
func field(ts *testscript.TestScript, _ bool, args []string) {
	var r map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	switch v := r[args[1]].(type) {
	case string:
		ts.Setenv(args[2], v)
	case float64:
		ts.Setenv(args[2], strconv.Itoa(int(v)))
	default:
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
}

// pick VAR PATTERN sets a variable to what the group of a pattern matches in the
// last standard output.
func pick(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%s is not there", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// code SECRET STEP FILE writes the code that an authenticator shows now, or some
// steps later, into a file.
func code(ts *testscript.TestScript, _ bool, args []string) {
	steps, err := strconv.Atoi(args[1])
	ts.Check(err)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(args[0])
	ts.Check(err)
	at := time.Now().Add(time.Duration(steps) * 30 * time.Second)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(totp.Secret(secret).Code(at)+"\n"), 0o600))
}

// busy OFFSET VAR takes a port and sets a variable to the one OFFSET below.
func busy(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.Atoi(args[0])
	ts.Check(err)
	l, err := net.Listen("tcp", loopback+":0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[1], strconv.Itoa(l.Addr().(*net.TCPAddr).Port-offset))
}

// hundreds are the port ranges that scripts have taken.
var hundreds sync.Map

// free VAR sets a variable to the first three digits of a hundred ports with
// nothing on them. They are below those that the kernel gives to others meanwhile.
func free(ts *testscript.TestScript, _ bool, args []string) {
	for range 1000 {
		digits := 100 + rand.IntN(200)
		if _, taken := hundreds.LoadOrStore(digits, true); !taken && unused(100*digits, 100) {
			ts.Setenv(args[0], strconv.Itoa(digits))
			return
		}
	}
	ts.Fatalf("there are no hundred free ports")
}

// unused reports whether nobody listens on n ports.
func unused(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil || l.Close() != nil {
			return false
		}
	}
	return true
}

// database VAR makes a migrated database and sets a variable to its DSN.
func database(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], pgtest.New(testOf(ts)).DSN)
}

// sql DSN STATEMENT runs a statement.
func sql(ts *testscript.TestScript, _ bool, args []string) {
	ctx := testOf(ts).Context()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	_, err = conn.Exec(ctx, args[1])
	ts.Check(errors.Join(err, conn.Close(ctx)))
}

// statusOf returns the state of a child of "gx up --processes".
func statusOf(ts *testscript.TestScript, readyFile, name string) childStatus {
	var out struct{ Processes []childStatus }
	_, body, err := fetch(ts, readyFile, "ops", "/statusz")
	ts.Check(err)
	ts.Check(json.Unmarshal([]byte(body), &out))
	for _, p := range out.Processes {
		if p.Name == name {
			return p
		}
	}
	ts.Fatalf("there is no process %s", name)
	return childStatus{}
}

// crash READYFILE NAME kills a process and waits until it runs anew.
func crash(ts *testscript.TestScript, _ bool, args []string) {
	before := statusOf(ts, args[0], args[1])
	ts.Check(syscall.Kill(before.PID, syscall.SIGKILL))
	until(ts, "another "+args[1], func() bool {
		now := statusOf(ts, args[0], args[1])
		return now.Restarts == before.Restarts+1 && now.PID != 0 && now.PID != before.PID
	})
}

// gone READYFILE waits until nothing of the system is left: no server of the
// data directory, and nobody who answers.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	var r datadir.Running
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	until(ts, "the end of all processes", func() bool {
		for _, url := range append(slices.Collect(maps.Values(r.Workers)), r.Ops) {
			if response, err := probe.Get(url + "/livez"); err == nil {
				_ = response.Body.Close()
				return false
			}
		}
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is valid
		return !slices.ContainsFunc(lines, func(line string) bool {
			content, err := os.ReadFile(line)
			return err == nil && strings.Contains(string(content), r.DataDir)
		})
	})
}

// until REGEXP COMMAND ARGS... runs a command until what it prints matches.
func untilPrinted(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	until(ts, strings.Join(args, " "), func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// nothing DIR fails when there is something in the directory.
func nothing(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("%v", err)
	}
	for _, e := range entries {
		ts.Logf("left behind: %s", e.Name())
	}
	if len(entries) > 0 {
		ts.Fatalf("%s is not empty", args[0])
	}
}
