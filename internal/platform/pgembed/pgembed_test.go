package pgembed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/platform/debian"
)

const starterEnv = "GX_PGEMBED_TEST_STARTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterEnv); dir != "" {
		starter(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// starter is a process that starts a server and waits to be killed.
func starter(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.PID())
	select {}
}

func needPostgres(t *testing.T) {
	t.Helper()
	if _, err := FindBinaries(); err != nil {
		if os.Getenv("GX_REQUIRE_POSTGRES") == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: this test needs PostgreSQL: %v", err)
	}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	return startWith(t, o, chooseIdentity)
}

func startWith(t *testing.T, o Options, identify func(string) (identity, error)) *Server {
	t.Helper()
	o.Progress = func(s string) { t.Log("progress:", s) }
	began := time.Now()
	s, err := startAs(t.Context(), o, identify)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("pid %d ready after %v", s.PID(), time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec1(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var out *string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatalf("%s: %v", sql, err)
	}
	if out == nil {
		return ""
	}
	return *out
}

func waitDone(t *testing.T, s *Server) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("Done was not closed")
	}
}

func TestDataSurvives(t *testing.T) {
	needPostgres(t)
	dir := t.TempDir()
	first := start(t, Options{Dir: dir})
	exec1(t, first, "CREATE TABLE kept (note text)")
	exec1(t, first, "INSERT INTO kept VALUES ('written before the crash')")

	second := start(t, Options{Dir: dir})
	if second.PID() != first.PID() {
		t.Errorf("a second start runs another server: pid %d beside %d", second.PID(), first.PID())
	}
	guest := start(t, Options{Dir: dir})
	if err := guest.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-guest.Done():
		t.Error("Done is closed after Stop")
	default:
	}
	exec1(t, first, "SELECT 'a guest that stops leaves the server running'")

	// A backend that computes does not notice that the postmaster is gone and
	// keeps its shared memory.
	busy, err := pgx.Connect(t.Context(), first.DSN())
	if err != nil {
		t.Fatal(err)
	}
	backend := int(busy.PgConn().PID())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		_, _ = busy.Exec(context.Background(), "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")
		_ = busy.Close(context.Background())
	}()
	waitFor(t, "the busy query", func() bool {
		return exec1(t, first, "SELECT 'y' FROM pg_stat_activity WHERE pid = "+strconv.Itoa(backend)+" AND state = 'active'") == "y"
	})
	if err := syscall.Kill(first.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitDone(t, first)
	waitDone(t, second)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	third := start(t, Options{Dir: dir})
	<-finished
	if got := exec1(t, third, "SELECT note FROM kept"); got != "written before the crash" {
		t.Errorf("after the crash the table holds %q", got)
	}
	if err := third.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := processes(filepath.Join(dir, "data")); len(left) != 0 {
		t.Errorf("processes %v run after Stop", left)
	}
	fourth := start(t, Options{Dir: dir})
	if got := exec1(t, fourth, "SELECT note FROM kept"); got != "written before the crash" {
		t.Errorf("after Stop the table holds %q", got)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// A starter that is killed takes its server along, or leaves it to the next.
func TestStarterIsKilled(t *testing.T) {
	needPostgres(t)
	dir := t.TempDir()
	for round, wait := range []bool{true, false} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), starterEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(line)
		}
		guest := start(t, Options{Dir: dir})
		if guest.PID() != pid {
			t.Errorf("round %d: joined pid %d, the starter's is %d", round, guest.PID(), pid)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if wait {
			waitDone(t, guest)
		}
		s := start(t, Options{Dir: dir})
		if s.PID() == pid {
			t.Errorf("round %d: the orphan runs on", round)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEphemeralLeavesNothing(t *testing.T) {
	needPostgres(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := start(t, Options{Ephemeral: true})
	if got := exec1(t, s, "SHOW fsync"); got != "off" {
		t.Errorf("fsync is %s", got)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", e.Name())
	}
}

// Root changes between a user namespace and an account as the machine permits.
func TestRootChangesIdentity(t *testing.T) {
	needPostgres(t)
	if os.Geteuid() != 0 {
		t.Skip("only root has a choice")
	}
	account, err := accountIdentity("")
	if err != nil {
		t.Skip(err)
	}
	open := t.TempDir() // its parents are private, and ours
	dir := filepath.Join(open, "private")
	for _, identify := range []func(string) (identity, error){accountIdentity, chooseIdentity, accountIdentity} {
		s := startWith(t, Options{Dir: dir}, identify)
		exec1(t, s, "CREATE TABLE IF NOT EXISTS kept ()")
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	locked, err := os.MkdirTemp("/var/tmp", "gx-locked-") // not /tmp
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(locked) })
	_, err = startAs(t.Context(), Options{Dir: filepath.Join(locked, "deep", "dir")}, accountIdentity)
	for _, want := range []string{locked, account.name, "can't enter"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
}

func TestBrokenDirectories(t *testing.T) {
	needPostgres(t)
	write := func(t *testing.T, path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		break_ func(t *testing.T, dir string)
		want   []string
	}{
		{"not a data directory", func(t *testing.T, dir string) { write(t, dir+"/data/holiday.jpg", "") }, []string{"/data is not a PostgreSQL data directory"}},
		{"another version", func(t *testing.T, dir string) { write(t, dir+"/data/PG_VERSION", "9\n") }, []string{"/data was made by PostgreSQL 9, but only PostgreSQL"}},
		{"a damaged version", func(t *testing.T, dir string) { write(t, dir+"/data/PG_VERSION", "zz\n") }, []string{"/data is damaged"}},
		{"a file", func(t *testing.T, dir string) { write(t, dir+"/data", "") }, []string{"data", "not a directory"}},
		{"an empty cluster", func(t *testing.T, dir string) {
			all, err := installations()
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/data/PG_VERSION", strconv.Itoa(all[0].major))
		}, []string{"PostgreSQL can't run on", "/data", "postgres.log"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.break_(t, dir)
			s, err := Start(t.Context(), Options{Dir: dir})
			if err == nil {
				_ = s.Stop(t.Context())
				t.Fatal("started")
			}
			t.Log(err)
			for _, want := range append(c.want, dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
		})
	}
	t.Run("below a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		write(t, file, "")
		_, err := Start(t.Context(), Options{Dir: filepath.Join(file, "dir")})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("error %v", err)
		}
	})
}

func TestStalePidOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(data, "postmaster.pid")
	if err := os.WriteFile(pid, []byte(strconv.Itoa(os.Getpid())+"\n"+data+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := cluster{Options: Options{Dir: dir, Progress: func(string) {}}, data: data}
	if err := c.clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pid); !os.IsNotExist(err) {
		t.Errorf("postmaster.pid: %v", err)
	}
}

func TestSocketDirMustBePrivate(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	id := identity{uid: os.Getuid(), gid: os.Getgid()}
	dir, err := socketDir("/some/data", id)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := socketDir("/some/data", id); err != nil || again != dir {
		t.Errorf("a second time it is %q, error %v", again, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir("/some/data", id); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("open to others: error %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir("/some/data", id); err == nil {
		t.Error("a symlink is accepted")
	}
	t.Setenv("TMPDIR", "/"+strings.Repeat("x", 120))
	if dir, err := socketDir("/other/data", id); err != nil || !strings.HasPrefix(dir, "/tmp/") {
		t.Errorf("with a long TMPDIR it is %q, error %v", dir, err)
	} else if err := os.Remove(dir); err != nil {
		t.Error(err)
	}
}

func TestFindBinaries(t *testing.T) {
	fake := func(version string) string {
		dir := t.TempDir()
		for _, name := range []string{"postgres", "initdb"} {
			script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	good, old := fake("17.2 (Debian 17.2-1)"), fake("14.9")
	t.Setenv("GX_POSTGRES_BIN", good)
	if dir, err := FindBinaries(); err != nil || dir != good {
		t.Errorf("found %q, error %v", dir, err)
	}
	for _, dir := range []string{old, t.TempDir()} {
		t.Setenv("GX_POSTGRES_BIN", dir)
		if _, err := FindBinaries(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("error %v", err)
		}
	}
	t.Setenv("GX_POSTGRES_BIN", "")
	newest := fake("99.1")
	bin := t.TempDir() // a link on PATH to postgres alone
	if err := os.Symlink(filepath.Join(newest, "postgres"), filepath.Join(bin, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if dir, err := FindBinaries(); err != nil || dir != newest {
		t.Errorf("found %q, error %v", dir, err)
	}
}

func TestInstaller(t *testing.T) {
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$*\" >> " + calls + "\ncase \"$*\" in *install*) [ -e " + dir + "/broken ] && { echo 'E: Unable to locate package'; exit 100; };; esac\nexit 0\n"
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	var said []string
	in := installer{filepath.Join(dir, "conf", "createcluster.conf"), debian.Packages{Lists: filepath.Join(dir, "lists"), Progress: func(s string) { said = append(said, s) }}}
	took := func() []string {
		content, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(calls); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(content)), "\n")
	}
	const install = "-o Dpkg::Options::=--force-confold install -y --no-install-recommends postgresql"

	if err := in.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := took(), []string{"update", install}; !slices.Equal(got, want) {
		t.Errorf("without lists: %q", got)
	}
	if len(said) != 2 {
		t.Errorf("progress: %q", said)
	}
	conf, err := os.ReadFile(in.clusterConf)
	if err != nil || !strings.Contains(string(conf), "\ncreate_main_cluster = false\n") {
		t.Errorf("createcluster.conf is %q, error %v", conf, err)
	}

	for _, path := range []string{in.packages.Lists + "/x_Packages", dir + "/broken"} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(in.clusterConf, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = in.run(t.Context())
	if got, want := took(), []string{install, "update", install}; !slices.Equal(got, want) {
		t.Errorf("with lists: %q", got)
	}
	for _, want := range []string{"Unable to locate package", "apt-get install -y --no-install-recommends postgresql", "GX_DATABASE_URL", "GX_POSTGRES_BIN"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
	if conf, err := os.ReadFile(in.clusterConf); err != nil || string(conf) != "mine" {
		t.Errorf("the administrator's file is now %q, error %v", conf, err)
	}
}
