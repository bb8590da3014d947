package crash_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/ringtest/wire"
)

// point is a step of the ring at which a process can be caught.
type point struct {
	name   string
	part   string // role of the process
	tell   string // part of a statement that tells the step, in the transaction of which it is
	commit bool   // at the COMMIT of that transaction, not at the statement
	after  bool   // the server has done it, but the process doesn't know
}

func (p point) String() string {
	when := "before"
	if p.after {
		when = "after"
	}
	return when + " " + p.name
}

// meets reports whether a statement is the step of the point.
func (p point) meets(statement string, transaction []string) bool {
	if !p.commit {
		return strings.Contains(statement, p.tell)
	}
	if !wire.Commits(statement) {
		return false
	}
	for _, s := range transaction {
		if strings.Contains(s, p.tell) {
			return true
		}
	}
	return false
}

// trap waits for a process to come to a point.
type trap struct {
	point
	spring func(pid int) // called once, while the process waits for the server
	sprung chan int      // receives the process
}

// proxy stands between the processes and PostgreSQL. It sees every step that they
// take and can hold them there.
type proxy struct {
	t        testing.TB
	pids     func(part string) []int // the processes that may be caught
	listener net.Listener
	server   *pgconn.Config
	dsn      string // through the proxy

	mu     sync.Mutex
	trap   *trap
	frozen chan struct{} // closed when traffic goes on; nil: it flows
	wg     sync.WaitGroup
	conns  map[net.Conn]bool
}

// newProxy returns a proxy to a database, which serves until the test ends.
func newProxy(t testing.TB, database pgtest.Database) *proxy {
	t.Helper()
	server, err := pgconn.ParseConfig(database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", User: url.User(server.User), Host: l.Addr().String(), Path: server.Database, RawQuery: "sslmode=disable"}
	p := &proxy{t: t, listener: l, server: server, dsn: u.String(), conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.thaw()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *proxy) keep(c net.Conn, alive bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if alive {
		p.conns[c] = true
	} else {
		delete(p.conns, c)
	}
}

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// freeze lets nothing pass any more, in either direction, until thaw.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
}

func (p *proxy) pass() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// serve carries one connection.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	network, address := pgconn.NetworkAddress(p.server.Host, p.server.Port)
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer server.Close()
	for _, c := range []net.Conn{client, server} {
		p.keep(c, true)
		defer p.keep(c, false)
	}
	var mu sync.Mutex
	var tracker wire.Tracker
	var caught *trap // over this connection, when the server has answered
	var both sync.WaitGroup
	both.Go(func() {
		defer server.Close()
		for b := make([]byte, 1<<16); ; {
			n, err := client.Read(b)
			if err != nil {
				return
			}
			p.pass()
			mu.Lock()
			statements := tracker.Sent(b[:n])
			t, pid := p.caught(client, statements, tracker.Transaction())
			if t != nil && t.after {
				caught = t
			}
			mu.Unlock()
			if t != nil && !t.after {
				t.spring(pid)
				t.sprung <- pid
				return
			}
			if _, err := server.Write(b[:n]); err != nil {
				return
			}
		}
	})
	both.Go(func() {
		defer client.Close()
		for b := make([]byte, 1<<16); ; {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			p.pass()
			mu.Lock()
			tracker.Received(b[:n])
			t, due := caught, tracker.Waiting()
			mu.Unlock()
			if t != nil {
				if due {
					continue // the process hears nothing of it
				}
				pid := owner(client)
				t.spring(pid)
				t.sprung <- pid
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	})
	both.Wait()
}

// set sets a trap. When a process of the part comes to the point, spring is called
// with it and then the channel receives it.
func (p *proxy) set(at point, spring func(pid int)) <-chan int {
	t := &trap{point: at, spring: spring, sprung: make(chan int, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap = t
	return t.sprung
}

// caught takes the trap when one of the statements is its point.
func (p *proxy) caught(client net.Conn, statements, transaction []string) (*trap, int) {
	p.mu.Lock()
	t := p.trap
	p.mu.Unlock()
	if t == nil {
		return nil, 0
	}
	for _, s := range statements {
		if !t.meets(s, transaction) {
			continue
		}
		pid := owner(client)
		for _, c := range p.pids(t.part) {
			if c == pid {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.trap != t {
					return nil, 0
				}
				p.trap = nil
				return t, pid
			}
		}
	}
	return nil, 0
}

// owner returns the process at the other end of a connection on this machine, 0
// when there is none any more.
func owner(c net.Conn) int {
	from := c.RemoteAddr().(*net.TCPAddr)
	inode, err := inodeOf(from.Port, c.LocalAddr().(*net.TCPAddr).Port)
	if err != nil {
		return 0
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			var pid int
			if _, err := fmt.Sscanf(link, "/proc/%d/", &pid); err == nil {
				return pid
			}
		}
	}
	return 0
}

// inodeOf returns the inode of the socket that is connected from a port to another
// of this machine.
func inodeOf(from, to int) (string, error) {
	content, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", from)) && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", to)) {
			return fields[9], nil
		}
	}
	return "", errors.New("there is no such connection")
}

// kill is kill -9.
func kill9(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
