package httpkit

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// Trace is a W3C trace context: the trace a request belongs to and our span in it.
type Trace struct {
	trace [16]byte
	span  [8]byte
	flags byte
}

// ParseTrace continues the trace of a traceparent header with a span of our
// own, or begins a trace when the header is absent or malformed.
func ParseTrace(traceparent string) Trace {
	var t Trace
	if !t.parse(traceparent) {
		binary.BigEndian.PutUint64(t.trace[:8], rand.Uint64())
		binary.BigEndian.PutUint64(t.trace[8:], rand.Uint64()|1)
		t.flags = 0
	}
	binary.BigEndian.PutUint64(t.span[:], rand.Uint64()|1)
	return t
}

// parse reads "00-<32 hex>-<16 hex>-<2 hex>"; a later version may append more.
func (t *Trace) parse(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s != strings.ToLower(s) {
		return false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		dst  []byte
		text string
	}{{version[:], s[:2]}, {t.trace[:], s[3:35]}, {t.span[:], s[36:52]}, {flags[:], s[53:55]}} {
		if _, err := hex.Decode(part.dst, []byte(part.text)); err != nil {
			return false
		}
	}
	if version[0] == 0xff || version[0] == 0 && len(s) != 55 || len(s) > 55 && s[55] != '-' {
		return false
	}
	t.flags = flags[0]
	return t.trace != [16]byte{} && t.span != [8]byte{}
}

// ID returns the trace id in hex.
func (t Trace) ID() string { return hex.EncodeToString(t.trace[:]) }

// String returns the traceparent header that names our span as the parent.
func (t Trace) String() string {
	buf := make([]byte, 0, 55)
	buf = append(buf, "00-"...)
	buf = hex.AppendEncode(buf, t.trace[:])
	buf = append(buf, '-')
	buf = hex.AppendEncode(buf, t.span[:])
	buf = append(buf, '-')
	buf = hex.AppendEncode(buf, []byte{t.flags})
	return string(buf)
}
