package service_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/token"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(streamsOf); address != "" {
		if err := openStreams(address, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// streamBytes is the most memory that the server may need for one idle stream.
const streamBytes = 64 << 10

// TestIdleStreams opens GX_STREAMS streams, 500 without, from another process and
// wants the server to bear them within streamBytes each.
func TestIdleStreams(t *testing.T) {
	n := 500
	if more, err := strconv.Atoi(os.Getenv("GX_STREAMS")); err == nil {
		n = more
	}
	s := newSystem(t)
	address, drain := s.serve("tokenomics")
	var bearers strings.Builder
	profiles, sessions := make([]uuid.UUID, n), make([]uuid.UUID, n)
	for i := range n {
		profiles[i], sessions[i] = uuid.New(), uuid.New()
		bearer, err := s.signer.Sign(profiles[i], sessions[i], token.Customers)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&bearers, bearer)
	}
	s.people(profiles)
	s.exec(`INSERT INTO app.sessions (session_id, audience, subject, created_at, last_used_at, expires_at)
		SELECT s, 'gx-api', p, $3::timestamptz, $3, $3 + interval '1 day' FROM unnest($1::uuid[], $2::uuid[]) v (s, p)`, sessions, profiles, s.clock())

	before := memory()
	says := streamClients(t, address, bearers.String())
	says("open")
	each := (memory() - before) / int64(n)
	t.Logf("%d idle streams take %.1f KiB each, %d MiB together", n, float64(each)/1024, each*int64(n)>>20)
	if each > streamBytes {
		t.Errorf("an idle stream takes %d bytes, want %d at most", each, streamBytes)
	}
	// They live: a payment to the last is told, to it alone.
	s.pay(profiles[n-1].String(), 9)
	says("told")
	drain()
	says("ended")
}

// memory returns what the process has in use after everything that is not was given up.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// streamsOf names the variable with the address of the server whose streams a
// process opens that streamClients has started.
const streamsOf = "GX_TEST_STREAMS_OF"

// streamClients opens a stream for each bearer, from a process of their own: one
// process may not have files enough for both ends. The function that is returned
// waits until it says something.
func streamClients(t *testing.T, address, bearers string) (says func(want string)) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), streamsOf+"="+address)
	c.Stdin = strings.NewReader(bearers)
	var failure bytes.Buffer
	c.Stderr = &failure
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = c.Process.Kill() // it may wait for what does not come
		}
		if err := c.Wait(); err != nil && !t.Failed() {
			t.Errorf("clients: %v %s", err, &failure)
		}
	})
	lines := bufio.NewScanner(out)
	return func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("clients say %q, want %q: %v", lines.Text(), want, lines.Err())
		}
	}
}

// openStreams is the process that streamClients starts: it reads the bearers and
// says how far it is.
func openStreams(address string, bearers io.Reader, says io.Writer) error {
	var conns []net.Conn
	for lines := bufio.NewScanner(bearers); lines.Scan(); {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		conns = append(conns, c)
		if _, err := fmt.Fprintf(c, "GET /api/v1/wallets/me/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", lines.Text()); err != nil {
			return err
		}
		if err := readUntil(c, "event: ready"); err != nil {
			return err
		}
	}
	fmt.Fprintln(says, "open")
	if err := readUntil(conns[len(conns)-1], "event: transaction"); err != nil {
		return err
	}
	fmt.Fprintln(says, "told")
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		rest, err := io.ReadAll(c)
		if err != nil {
			return fmt.Errorf("a stream did not end well: %w", err)
		}
		if strings.Contains(string(rest), "event: transaction") {
			return fmt.Errorf("a stream was told too much: %q", rest)
		}
	}
	fmt.Fprintln(says, "ended")
	return nil
}

func readUntil(c net.Conn, text string) error {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(got), text) {
		n, err := c.Read(buf)
		if err != nil {
			return fmt.Errorf("%q: %w", got, err)
		}
		got = append(got, buf[:n]...)
	}
	return nil
}

// people stores customers on the ledger whose account is named after their profile.
func (s *system) people(profiles []uuid.UUID) {
	s.t.Helper()
	s.exec(`INSERT INTO app.people (profile_id, password_hash, status, gx_id, created_at, updated_at)
		SELECT p, '', 'APPROVED_PENDING_ONCHAIN', p::text, $2, $2 FROM unnest($1::uuid[]) p`, profiles, s.clock())
	s.exec(`INSERT INTO read.users (user_id, nationality, status, trust_score, genesis_status, created_at)
		SELECT p::text, 'CH', 'ACTIVE', 10, 'NONE', $2 FROM unnest($1::uuid[]) p`, profiles, s.clock())
	s.exec(`INSERT INTO read.accounts (account_id, kind, status, balance, created_at, updated_at, block, tx_index)
		SELECT p::text, 'INDIVIDUAL', 'ACTIVE', 0, $2, $2, 1, 0 FROM unnest($1::uuid[]) p`, profiles, s.clock())
}
