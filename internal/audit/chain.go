package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Hash links a record to everything before it.
type Hash [sha256.Size]byte

// String returns the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Head is a place in the chain. The zero value is before the first record.
type Head struct {
	Sequence int64
	Hash     Hash
}

// String returns "SEQUENCE:HASH", the form that ParseHead reads.
func (h Head) String() string { return strconv.FormatInt(h.Sequence, 10) + ":" + h.Hash.String() }

// ParseHead reads what String returned.
func ParseHead(s string) (h Head, err error) {
	sequence, hash, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(hash)
	if err == nil {
		h.Sequence, err = strconv.ParseInt(sequence, 10, 64)
	}
	if err != nil || len(raw) != len(h.Hash) || h.Sequence < 0 {
		return Head{}, fmt.Errorf("audit: %q is not SEQUENCE:HASH", s)
	}
	h.Hash = Hash(raw)
	return h, nil
}

// entry is a record with its place among those that were appended.
type entry struct {
	Position int64
	Record
}

// follow returns the head after e.
func (h Head) follow(e *entry) Head {
	sum := sha256.New()
	var b []byte
	b = append(b, "gx.audit.v1"...)
	b = append(b, h.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Sequence+1))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Position))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMicro()))
	for _, field := range [...]string{
		e.Actor, e.Role, id(e.Session), string(e.Action), e.ResourceType, e.ResourceID, id(e.Approval), e.RequestID, e.Address, e.UserAgent, string(e.Detail),
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	sum.Write(b)
	return Head{h.Sequence + 1, Hash(sum.Sum(nil))}
}

func id(u *uuid.UUID) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// columns are those of a record in both tables, in the order of values and scan.
const columns = `position, at, actor, role, session_id, action, resource_type, resource_id, approval_id, request_id, address, user_agent, detail`

func (e *entry) values() []any {
	return []any{e.Position, e.At, e.Actor, e.Role, e.Session, e.Action, e.ResourceType, e.ResourceID, e.Approval, e.RequestID, e.Address, e.UserAgent, []byte(e.Detail)}
}

func (e *entry) targets() []any {
	return []any{&e.Position, &e.At, &e.Actor, &e.Role, &e.Session, &e.Action, &e.ResourceType, &e.ResourceID, &e.Approval, &e.RequestID, &e.Address, &e.UserAgent, (*[]byte)(&e.Detail)}
}

func scanEntry(row pgx.CollectableRow) (e entry, err error) {
	err = row.Scan(e.targets()...)
	return e, err
}
