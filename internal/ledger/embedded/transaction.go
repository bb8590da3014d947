package embedded

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gxcoin.money/gx/internal/ledger"
)

const (
	format      = 1 // first byte of an encoded transaction
	nonceLength = 24

	// A key must fit into an index entry, which PostgreSQL limits to 2704 bytes.
	maxKeyLength = 1024
	maxTxBytes   = 32 << 20
)

// version is the position of the transaction that wrote a key.
type version struct {
	block   int64
	txIndex int32
}

// absent is the version of a key that does not exist.
var absent = version{-1, -1}

// transaction is an endorsed proposal: what it read, at which versions, and
// what it changes if those versions still hold when it is committed.
//
// Its encoding is
//
//	format, SHA-256 of the rest, nonce, creator, channel, function,
//	SHA-256 of the arguments, time in microseconds,
//	reads, ranges, writes, event name | event payload
//
// with numbers as varints and texts behind their length, all but the payload,
// which is the remainder. So the ledger can store it in a column of its own,
// once, and still has the bytes that were submitted.
type transaction struct {
	id     string // hex SHA-256 of nonce and creator
	bytes  []byte
	head   int // length of bytes without the event's payload
	digest [sha256.Size]byte

	nonce    [nonceLength]byte
	creator  string
	channel  string
	function string
	args     [sha256.Size]byte
	time     time.Time
	reads    map[string]version
	ranges   []keyRange
	writes   map[string][]byte // nil deletes
	event    *ledger.Event
}

// keyRange is a range that was read completely: start <= key < end.
type keyRange struct {
	start, end string
	digest     [sha256.Size]byte // of the keys and versions in it
}

// bounds identifies a range; several transactions may read the same.
type bounds struct{ start, end string }

func (r keyRange) bounds() bounds { return bounds{r.start, r.end} }

func txID(nonce [nonceLength]byte, creator string) string {
	sum := sha256.Sum256(append(nonce[:], creator...))
	return hex.EncodeToString(sum[:])
}

// digestArgs tells ("a", "bc") from ("ab", "c").
func digestArgs(args []string) [sha256.Size]byte {
	h := sha256.New()
	for _, a := range args {
		h.Write(binary.AppendUvarint(nil, uint64(len(a))))
		io.WriteString(h, a)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// encode sets bytes, head and digest.
func (t *transaction) encode() {
	b := make([]byte, 1+sha256.Size, 1024)
	b[0] = format
	b = append(b, t.nonce[:]...)
	b = appendText(b, t.creator)
	b = appendText(b, t.channel)
	b = appendText(b, t.function)
	b = append(b, t.args[:]...)
	b = binary.AppendVarint(b, t.time.UnixMicro())
	b = binary.AppendUvarint(b, uint64(len(t.reads)))
	for _, key := range slices.Sorted(maps.Keys(t.reads)) {
		v := t.reads[key]
		b = appendText(b, key)
		b = binary.AppendUvarint(b, uint64(v.block+1))
		if v != absent {
			b = binary.AppendUvarint(b, uint64(v.txIndex))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(t.ranges)))
	for _, r := range t.ranges {
		b = appendText(b, r.start)
		b = appendText(b, r.end)
		b = append(b, r.digest[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(t.writes)))
	for _, key := range slices.Sorted(maps.Keys(t.writes)) {
		b = appendText(b, key)
		b = appendText(b, t.writes[key]) // values are never empty, so this tells a deletion
	}
	if t.event == nil {
		b = appendText(b, "")
		t.head = len(b)
	} else {
		b = appendText(b, t.event.Name)
		t.head = len(b)
		b = append(b, t.event.Payload...)
	}
	t.digest = sha256.Sum256(b[1+sha256.Size:])
	copy(b[1:], t.digest[:])
	t.bytes = b
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// decode is the inverse of encode. It accepts nothing that could not be stored.
// The transaction keeps the bytes.
func decode(b []byte) (*transaction, error) {
	switch {
	case len(b) > maxTxBytes:
		return nil, fmt.Errorf("%d bytes are more than %d", len(b), maxTxBytes)
	case len(b) < 1+sha256.Size:
		return nil, errTruncated
	case b[0] != format:
		return nil, fmt.Errorf("unknown format %d", b[0])
	}
	t := &transaction{bytes: b, digest: sha256.Sum256(b[1+sha256.Size:])}
	if t.digest != [sha256.Size]byte(b[1:]) {
		return nil, errors.New("the checksum is wrong")
	}
	d := decoder{rest: b[1+sha256.Size:]}
	d.fixed(t.nonce[:])
	t.creator = d.name()
	t.channel = d.name()
	t.function = d.name()
	d.fixed(t.args[:])
	t.time = time.UnixMicro(d.signed()).UTC()

	n := d.count()
	t.reads = make(map[string]version, n)
	for range n {
		key, v := d.key(), absent
		if block := d.number(1 << 62); block > 0 {
			v = version{int64(block) - 1, int32(d.number(1<<31 - 1))}
		}
		t.reads[key] = v
	}
	n = d.count()
	t.ranges = make([]keyRange, n)
	for i := range t.ranges {
		r := &t.ranges[i]
		r.start, r.end = d.text(), d.text()
		d.fixed(r.digest[:])
	}
	n = d.count()
	t.writes = make(map[string][]byte, n)
	for range n {
		key, value := d.key(), d.bytes()
		if len(value) == 0 {
			value = nil
		}
		t.writes[key] = value
	}
	name := d.name()
	t.head = len(b) - len(d.rest)
	if name != "" {
		t.event = &ledger.Event{Name: name, Payload: d.rest}
	} else if len(d.rest) > 0 {
		d.fail(errors.New("bytes follow the end"))
	}
	if d.err != nil {
		return nil, d.err
	}
	t.id = txID(t.nonce, t.creator)
	return t, nil
}

var errTruncated = errors.New("the encoding is truncated")

// decoder reads from rest; after an error it returns zero values.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(errTruncated)
		return nil
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) fixed(to []byte) { copy(to, d.take(uint64(len(to)))) }

func (d *decoder) number(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > limit {
		d.fail(errTruncated)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail(errTruncated)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads the length of a list whose entries have two bytes at least.
func (d *decoder) count() int { return int(d.number(uint64(len(d.rest) / 2))) }

func (d *decoder) bytes() []byte { return d.take(d.number(maxTxBytes)) }
func (d *decoder) text() string  { return string(d.bytes()) }

func (d *decoder) key() string {
	key := d.text()
	if err := checkKey(key); err != nil && d.err == nil {
		d.fail(err)
	}
	return key
}

func (d *decoder) name() string {
	name := d.text()
	if err := checkName(name); err != nil && d.err == nil {
		d.fail(err)
	}
	return name
}

// checkKey accepts what both engines can store.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("a key is empty")
	case len(key) > maxKeyLength:
		return fmt.Errorf("a key of %d bytes is longer than %d", len(key), maxKeyLength)
	case !utf8.ValidString(key):
		return fmt.Errorf("the key %q is not valid UTF-8", key)
	}
	return nil
}

// checkName accepts what a text column can store.
func checkName(name string) error {
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fmt.Errorf("the name %q is not valid UTF-8 without NUL", name)
	}
	return nil
}
