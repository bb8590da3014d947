package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"gxcoin.money/gx/internal/ringtest/wire"
)

// How a connection waits for the server. The server is real and so is the time
// that it takes: while an answer is awaited, simulated time stands still, unless
// the server waits for a lock, whose holder needs simulated time to let go of it.
// Then, and while no answer is due, it is looked at now and then.
const (
	lockLook  = time.Millisecond       // simulated, doubles
	lockLooks = 50 * time.Millisecond  // simulated, at most
	idleLook  = 100 * time.Millisecond // simulated
)

// conn is a connection of a simulated process to the real PostgreSQL. Everything
// that a process does to the world goes through one, so this is where it is slow,
// loses its way, stops for a while or dies.
type conn struct {
	p      *process
	random *rand.Rand // of writes, which come one after the other

	reading, writing sync.Mutex // held by who talks to the backend

	mu       sync.Mutex
	backend  *backend     // nil before the first packet
	inbox    []byte       // read before what the backend says
	tracker  wire.Tracker // of what is written, not all of which comes through
	deadline time.Time    // of reads
	closed   bool
	channels map[string]int // that it listens on: how many notifications were looked for
	notified []string       // channels, in the transaction
	news     chan struct{}  // something of the above has changed
	doomed   bool           // the process dies as soon as the server has answered
}

// dial connects a process in a role of the database.
func (p *process) dial(ctx context.Context, role string) (net.Conn, error) {
	c := &conn{p: p, random: p.source(role), channels: map[string]int{}, news: make(chan struct{}, 1)}
	if err := p.gate(ctx, time.Duration(c.random.IntN(int(2*time.Millisecond)))); err != nil {
		return nil, err
	}
	if !p.adopt(c) {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	statements := c.tracker.Sent(b)
	commit := slices.ContainsFunc(statements, wire.Commits)
	work := commit && slices.ContainsFunc(c.tracker.Transaction(), func(sql string) bool {
		return strings.Contains(sql, "INSERT INTO") || strings.Contains(sql, "app.batches")
	})
	for _, sql := range statements {
		if channel, ok := strings.CutPrefix(sql, "LISTEN "); ok {
			c.channels[channel] = c.p.world.notifications(channel)
		}
		if strings.Contains(sql, "pg_notify(") {
			c.notified = append(c.notified, c.p.world.listened(sql+string(b))...)
		}
	}
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
	if slices.ContainsFunc(statements, tellsTime) {
		c.p.world.tick()
	}
	c.mu.Lock()
	if commit || len(c.tracker.Transaction()) == 1 {
		c.notify()
	}
	c.mu.Unlock()
	if err := c.send(b); err != nil {
		return 0, err
	}
	if f.kind == loseAfter {
		c.drain()
		_ = c.Close()
		return len(b), syscall.ECONNRESET
	}
	return len(b), nil
}

// notify tells those who listen that a transaction notifies them.
func (c *conn) notify() {
	slices.Sort(c.notified)
	c.notified = slices.Compact(c.notified)
	c.p.world.notify(c.notified)
	for _, channel := range c.notified {
		if _, listens := c.channels[channel]; listens {
			c.channels[channel]++ // its own comes with the answer
		}
	}
	c.notified = nil
}

// tellsTime reports whether a statement, or a trigger of its table, may ask for the time.
func tellsTime(sql string) bool {
	return strings.Contains(sql, "now()") || strings.Contains(sql, "app.")
}

// send is a write that comes through.
func (c *conn) send(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	backend, closed := c.backend, c.closed
	c.mu.Unlock()
	switch {
	case closed:
		return net.ErrClosed
	case backend == nil:
		return c.begin(b)
	case b[0] == 'X': // the end of a session is Close's business
		c.change(func() { c.closed = true })
		return nil
	}
	c.change(func() { backend.tracker.Sent(b) })
	_, err := backend.Write(b)
	return err
}

// cancelRequest is the code of a packet that asks for the end of a query.
const cancelRequest = 80877102

// begin answers the first packet, as the server does.
func (c *conn) begin(packet []byte) error {
	if len(packet) < 12 {
		return fmt.Errorf("a first packet of %d bytes", len(packet))
	}
	if binary.BigEndian.Uint32(packet[4:]) == cancelRequest {
		c.p.cancelQuery(binary.BigEndian.Uint32(packet[8:]))
		c.change(func() { c.closed = true })
		return nil
	}
	var m pgproto3.StartupMessage
	if err := m.Decode(packet[4:]); err != nil {
		return err
	}
	b, err := c.p.world.stage.take(m.Parameters["application_name"])
	if err != nil {
		return err
	}
	c.change(func() { c.backend, c.inbox = b, b.greeting })
	return nil
}

// drain waits until the server has answered, and hears nothing of it.
func (c *conn) drain() {
	b := make([]byte, 1<<16)
	for c.waiting() {
		if n, err := c.hear(b, true, 0); n == 0 || err != nil {
			return
		}
	}
}

func (c *conn) isDoomed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doomed
}

// waiting reports whether the server owes an answer.
func (c *conn) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backend != nil && c.backend.tracker.Waiting()
}

func (c *conn) Read(b []byte) (int, error) {
	look := lockLook
	for {
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
		if c.isDoomed() {
			c.drain()
			c.p.die()
			return 0, net.ErrClosed
		}
		due := c.waiting()
		if n, err := c.hear(b, due, c.told()); n > 0 || err != nil {
			return n, err
		}
		wait := idleLook
		if due {
			wait, look = look, min(2*look, lockLooks)
		}
		c.await(wait)
	}
}

// told returns how many notifications must be on their way.
func (c *conn) told() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for channel, looked := range c.channels {
		now := c.p.world.notifications(channel)
		n += now - looked
		c.channels[channel] = now
	}
	return n
}

// hear reads what the server has said or, when an answer is due or notifications
// were told, is about to say.
func (c *conn) hear(b []byte, due bool, told int) (n int, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	backend := c.backend
	n = copy(b, c.inbox)
	c.inbox = c.inbox[n:]
	c.mu.Unlock()
	switch {
	case n > 0, backend == nil:
		return n, nil
	case due:
		n, err = c.p.world.stage.answer(backend, b, func() bool { return c.over() != nil })
	case told > 0:
		n, err = backend.notifications(b, told)
	default:
		n, err = backend.look(b)
	}
	if n > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		backend.tracker.Received(b[:n])
	}
	return n, err
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
	c.reading.Lock()
	defer c.reading.Unlock()
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.backend != nil {
		c.p.world.stage.leave(c.backend)
		c.backend = nil
	}
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return &net.UnixAddr{Net: "unix"} }
func (c *conn) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.change(func() { c.deadline = t })
	return nil
}

func (c *conn) SetWriteDeadline(time.Time) error { return nil }
