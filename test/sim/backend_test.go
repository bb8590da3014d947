package sim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"gxcoin.money/gx/internal/ringtest/wire"
)

// backend is a session of the server. A process that dies leaves it to the next
// one, as if new: a session that is really new costs the server more than all that
// most lives do with it.
type backend struct {
	net.Conn
	raw      syscall.RawConn
	pid      uint32
	greeting []byte // what the server says to begin with
	tracker  wire.Tracker
	spoiled  bool // not for another process

	asking   sync.Mutex
	frontend *pgproto3.Frontend
}

// connect begins a session.
func connect(cfg *pgconn.Config) (*backend, error) {
	c, err := pgconn.ConnectConfig(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	h, err := c.Hijack()
	if err != nil {
		return nil, err
	}
	raw, err := h.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, errors.Join(err, h.Conn.Close())
	}
	says := []pgproto3.Message{&pgproto3.AuthenticationOk{}}
	for _, name := range slices.Sorted(maps.Keys(h.ParameterStatuses)) {
		says = append(says, &pgproto3.ParameterStatus{Name: name, Value: h.ParameterStatuses[name]})
	}
	says = append(says, &pgproto3.BackendKeyData{ProcessID: h.PID, SecretKey: h.SecretKey}, &pgproto3.ReadyForQuery{TxStatus: h.TxStatus})
	greeting, err := encode(says...)
	if err != nil {
		return nil, errors.Join(err, h.Conn.Close())
	}
	begin, err := encode(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30})
	if err != nil {
		return nil, errors.Join(err, h.Conn.Close())
	}
	b := &backend{Conn: h.Conn, raw: raw, pid: h.PID, greeting: greeting, frontend: pgproto3.NewFrontend(h.Conn, h.Conn)}
	b.tracker.Sent(begin)
	b.tracker.Received(greeting)
	return b, nil
}

func encode(messages ...pgproto3.Message) (out []byte, err error) {
	for _, m := range messages {
		if out, err = m.Encode(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ask runs a query for the simulation itself and returns its first value as text.
func (b *backend) ask(format string, args ...any) (value string, err error) {
	b.asking.Lock()
	defer b.asking.Unlock()
	b.frontend.Send(&pgproto3.Query{String: fmt.Sprintf(format, args...)})
	if err := b.frontend.Flush(); err != nil {
		return "", err
	}
	for {
		m, failure := b.frontend.Receive()
		if failure != nil {
			return "", failure
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			value = string(m.Values[0])
		case *pgproto3.ErrorResponse:
			err = pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return value, err
		}
	}
}

// look reads what is there.
func (b *backend) look(to []byte) (n int, err error) {
	var failure error
	err = b.raw.Control(func(fd uintptr) {
		n, failure = syscall.Read(int(fd), to)
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

// patience is how long an answer may take before the server is asked whether it
// waits for a lock.
const patience = 4 * time.Millisecond // real

// notifications awaits, in real time, a number of them.
func (b *backend) notifications(to []byte, want int) (n int, err error) {
	if err := b.SetReadDeadline(time.Now().Add(10 * patience)); err != nil {
		return 0, err
	}
	for err == nil && n < len(to) && wire.Notifications(to[:n]) < want {
		var more int
		more, err = b.Read(to[n:])
		n += more
	}
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// answer awaits, in real time, an answer that is due. There is none when over says
// so or the server waits for a lock.
func (s *stage) answer(b *backend, to []byte, over func() bool) (n int, err error) {
	for {
		if err := b.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return 0, err
		}
		if over() {
			return 0, nil
		}
		n, err := b.Read(to)
		if n > 0 || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if blocked, err := s.control.ask("SELECT cardinality(pg_blocking_pids(%d)) > 0", b.pid); blocked == "t" || err != nil {
			return 0, err
		}
	}
}

// backends are the sessions that nobody uses.
type backends struct {
	mu   sync.Mutex
	idle []*backend
	held []*backend // by locks that they wait for
}

// take returns a session for a process that connects.
func (s *stage) take(name string) (*backend, error) {
	for {
		s.backends.mu.Lock()
		var b *backend
		if n := len(s.backends.idle); n > 0 {
			b, s.backends.idle = s.backends.idle[n-1], s.backends.idle[:n-1]
		}
		s.backends.mu.Unlock()
		fresh := b == nil
		if fresh {
			var err error
			if b, err = connect(s.server); err != nil {
				return nil, err
			}
		}
		_, err := b.ask("SET application_name = '%s'; SET search_path = sim, pg_catalog, public", name)
		if err == nil {
			return b, nil
		}
		_ = b.Close()
		if fresh {
			return nil, err
		}
	}
}

// leave ends what a process does with a session. The server hears of it at once,
// but after what it is told already.
func (s *stage) leave(b *backend) {
	farewell, err := encode(&pgproto3.Sync{}, &pgproto3.Query{String: "ROLLBACK"}, &pgproto3.Query{String: "RESET ROLE"}, &pgproto3.Query{String: "DISCARD ALL"})
	if err == nil {
		b.tracker.Sent(farewell)
		_, err = b.Write(farewell)
	}
	if err != nil || b.spoiled {
		_ = b.Close()
		return
	}
	s.collect(b)
}

// collect makes a session available, once it has heard everything.
func (s *stage) collect(b *backend) {
	var buffer [4096]byte
	for b.tracker.Waiting() {
		n, err := s.answer(b, buffer[:], func() bool { return false })
		if err != nil {
			_ = b.Close()
			return
		}
		if n == 0 {
			break
		}
		b.tracker.Received(buffer[:n])
	}
	s.backends.mu.Lock()
	defer s.backends.mu.Unlock()
	if b.tracker.Waiting() {
		s.backends.held = append(s.backends.held, b)
	} else {
		s.backends.idle = append(s.backends.idle, b)
	}
}
