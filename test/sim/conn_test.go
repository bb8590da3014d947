package sim_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gxcoin.money/gx/internal/ringtest/wire"
)

// How a connection waits for the server. The server is real and so is the time
// that it takes: while an answer is awaited, simulated time stands still, unless
// the answer takes so long that the server must be waiting for a lock, whose
// holder needs simulated time to let go of it. Then, and while no answer is due,
// the server is looked at now and then.
const (
	answerTime = 40 * time.Millisecond  // real
	lockLook   = time.Millisecond       // simulated, doubles
	lockLooks  = 50 * time.Millisecond  // simulated, at most
	idleLook   = 100 * time.Millisecond // simulated
)

// conn is a connection of a simulated process to the real PostgreSQL. Everything
// that a process does to the world goes through one, so this is where it is slow,
// loses its way, stops for a while or dies.
type conn struct {
	net.Conn
	p      *process
	raw    syscall.RawConn
	random *rand.Rand // of writes, which come one after the other

	mu       sync.Mutex
	tracker  wire.Tracker
	deadline time.Time // of reads
	closed   bool
	news     chan struct{} // something of the above has changed
	doomed   bool          // the process dies as soon as the server has answered
}

// dial connects a process in a role of the database.
func (p *process) dial(ctx context.Context, role, network, addr string) (net.Conn, error) {
	if err := p.gate(ctx); err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	out := &conn{Conn: c, p: p, raw: raw, random: p.source(role), news: make(chan struct{}, 1)}
	if !p.adopt(out) {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	return out, nil
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	statements := c.tracker.Sent(b)
	commit := slices.ContainsFunc(statements, wire.Commits)
	work := commit && slices.ContainsFunc(c.tracker.Transaction(), func(sql string) bool {
		return strings.Contains(sql, "INSERT INTO") || strings.Contains(sql, "app.batches")
	})
	c.mu.Unlock()
	if work {
		c.p.atCommit()
	}
	f := c.fate(commit)
	if err := c.p.pass(f.delay, c); err != nil {
		return 0, err
	}
	if c.p.isCut() {
		return len(b), nil // as far as the kernel can tell
	}
	c.mu.Lock()
	c.doomed = c.doomed || f.kind == dieAfter
	c.mu.Unlock()
	c.p.world.saw(c.p, statements, f)
	switch f.kind {
	case dieBefore:
		c.p.die()
		return 0, net.ErrClosed
	case loseBefore:
		_ = c.Close()
		return 0, syscall.ECONNRESET
	}
	c.p.world.tick()
	n, err := c.Conn.Write(b)
	if f.kind == loseAfter {
		c.drain()
		_ = c.Close()
		return n, syscall.ECONNRESET
	}
	return n, err
}

// drain waits until the server has answered, and hears nothing of it.
func (c *conn) drain() {
	b := make([]byte, 1<<16)
	for c.waiting() {
		if err := c.Conn.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
			return
		}
		n, err := c.Conn.Read(b)
		if err != nil {
			return
		}
		c.received(b[:n])
	}
}

func (c *conn) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tracker.Waiting()
}

func (c *conn) received(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracker.Received(b)
}

func (c *conn) Read(b []byte) (int, error) {
	look := lockLook
	for first := true; ; first = false {
		if err := c.p.pass(0, c); err != nil {
			return 0, err
		}
		if err := c.over(); err != nil {
			return 0, err
		}
		if c.p.isCut() {
			c.await(idleLook)
			continue
		}
		c.mu.Lock()
		due, doomed := c.tracker.Waiting(), c.doomed
		c.mu.Unlock()
		if doomed {
			c.drain()
			c.p.die()
			return 0, net.ErrClosed
		}
		n, err := c.poll(b, due && first)
		if n > 0 {
			c.received(b[:n])
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		wait := idleLook
		if due {
			wait, look = look, min(2*look, lockLooks)
		}
		c.await(wait)
	}
}

// over reports why nothing more is to be read.
func (c *conn) over() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// poll reads what is there; patiently, it waits for the server in real time.
func (c *conn) poll(b []byte, patiently bool) (n int, err error) {
	if patiently {
		if err := c.Conn.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
			return 0, err
		}
		n, err = c.Conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		return n, err
	}
	var failure error
	err = c.raw.Control(func(fd uintptr) {
		n, failure = syscall.Read(int(fd), b)
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(failure, syscall.EAGAIN), errors.Is(failure, syscall.EINTR):
		return 0, nil
	case failure != nil:
		return 0, failure
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// await waits in simulated time, until something has changed at the latest.
func (c *conn) await(d time.Duration) {
	c.mu.Lock()
	if left := time.Until(c.deadline); !c.deadline.IsZero() && left < d {
		d = left
	}
	c.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.news:
	}
}

func (c *conn) change(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *conn) Close() error {
	c.change(func() { c.closed = true })
	c.p.disown(c)
	return c.Conn.Close()
}

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.change(func() { c.deadline = t })
	return nil
}

func (c *conn) SetWriteDeadline(time.Time) error { return nil }
