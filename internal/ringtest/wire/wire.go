// Package wire listens in on the conversation between a program and PostgreSQL,
// so that a test can act at an exact step of it: what is about to be run, whether
// the server still owes an answer. The program knows nothing of it.
package wire

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Codes of the packets without a type that begin a conversation.
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

// Tracker follows one connection. It is used by one goroutine at a time.
type Tracker struct {
	sent, received []byte // of a message that is not complete yet
	begun          bool   // the startup packet was sent
	single         int    // answers of one byte that are due
	due            int    // times that the server will say it is ready
	prepared       map[string]string
	transaction    []string
}

// Sent takes what the program sends and returns the statements that are run by it.
func (t *Tracker) Sent(b []byte) (statements []string) {
	t.sent = append(t.sent, b...)
	for {
		kind, body, rest, ok := t.packet()
		if !ok {
			return statements
		}
		t.sent = rest
		switch kind {
		case 0:
			t.start(body)
		case 'P':
			name, tail := text(body)
			sql, _ := text(tail)
			if t.prepared == nil {
				t.prepared = map[string]string{}
			}
			t.prepared[name] = sql
		case 'B':
			_, tail := text(body)
			name, _ := text(tail)
			statements = append(statements, t.run(t.prepared[name]))
		case 'Q':
			t.due++
			sql, _ := text(body)
			statements = append(statements, t.run(sql))
		case 'S':
			t.due++
		}
	}
}

// packet takes the next packet off what was sent; kind 0 has no type.
func (t *Tracker) packet() (kind byte, body, rest []byte, ok bool) {
	b := t.sent
	if t.begun {
		if len(b) == 0 {
			return 0, nil, nil, false
		}
		kind, b = b[0], b[1:]
	}
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint32(b))
	if n < 4 || len(b) < n {
		return 0, nil, nil, false
	}
	return kind, b[4:n], b[n:], true
}

func (t *Tracker) start(body []byte) {
	if len(body) < 4 {
		return
	}
	switch binary.BigEndian.Uint32(body) {
	case sslRequest, gssRequest:
		t.single++
	case cancelRequest:
	default:
		t.begun, t.due = true, t.due+1
	}
}

// run notes that a statement is run.
func (t *Tracker) run(sql string) string {
	if n := len(t.transaction); n == 0 || !verb(t.transaction[0], "begin") || verb(t.transaction[n-1], "commit", "rollback") {
		t.transaction = nil
	}
	t.transaction = append(t.transaction, sql)
	return sql
}

// verb reports whether a statement begins with one of the words.
func verb(sql string, words ...string) bool {
	for _, w := range words {
		if len(sql) >= len(w) && strings.EqualFold(sql[:len(w)], w) {
			return true
		}
	}
	return false
}

// Received takes what the server sends.
func (t *Tracker) Received(b []byte) {
	t.received = append(t.received, b...)
	for len(t.received) > 0 {
		if t.single > 0 {
			t.single--
			t.received = t.received[1:]
			continue
		}
		if len(t.received) < 5 {
			return
		}
		n := 1 + int(binary.BigEndian.Uint32(t.received[1:]))
		if len(t.received) < n {
			return
		}
		if t.received[0] == 'Z' {
			t.due--
		}
		t.received = t.received[n:]
	}
}

// Notifications counts the notifications in what the server has sent.
func Notifications(b []byte) (n int) {
	for len(b) >= 5 {
		if b[0] == 'A' {
			n++
		}
		b = b[min(len(b), 1+int(binary.BigEndian.Uint32(b[1:]))):]
	}
	return n
}

// Waiting reports whether the server owes an answer.
func (t *Tracker) Waiting() bool { return t.due > 0 || t.single > 0 }

// Transaction returns the transaction that the last statement belongs to: from its
// BEGIN on, or the statement alone.
func (t *Tracker) Transaction() []string { return t.transaction }

// Commits reports whether a statement ends a transaction for good.
func Commits(sql string) bool { return verb(sql, "commit") }

// text reads a string that ends with a zero.
func text(b []byte) (string, []byte) {
	s, rest, _ := bytes.Cut(b, []byte{0})
	return string(s), rest
}
