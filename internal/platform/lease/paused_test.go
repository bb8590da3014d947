package lease_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
)

// member is a process that writes as a leader whenever it reads a line, until
// its input ends. It keeps using its first term.
func member(dsn string) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool, err := postgres.Open(ctx, dsn, postgres.Options{Role: "gx_submitter"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	terms := make(chan lease.Term, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = lease.Run(ctx, pool, lease.Options{Name: name, Holder: "member", TTL: time.Second}, func(ctx context.Context, l lease.Term) error {
			select {
			case terms <- l:
			default:
			}
			<-ctx.Done()
			return ctx.Err()
		})
	})
	first := <-terms
	fmt.Println("leading")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return first.Assert(ctx, tx) })
		fmt.Println(err)
	}
	stop()
	wg.Wait()
}

func TestPausedLeaderDoesNoHarm(t *testing.T) {
	db := pgtest.New(t)
	pool := db.Pool(t, "gx_submitter")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), memberEnv+"="+db.DSN)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	out := bufio.NewReader(stdout)
	expect := func(want string) {
		t.Helper()
		line, err := out.ReadString('\n')
		if err != nil && err != io.EOF || !strings.Contains(line, want) {
			t.Fatalf("the member says %q, expected %q", line, want)
		}
	}
	write := func() {
		t.Helper()
		if _, err := io.WriteString(in, "write\n"); err != nil {
			t.Fatal(err)
		}
	}
	expect("leading")
	write()
	expect("<nil>")

	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b := run(t, pool, lease.Options{Holder: "b", TTL: patience})
	b.elected()
	write() // waits in the pipe until the member is awake
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	expect(lease.ErrLost.Error())
}
