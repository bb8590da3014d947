// Package password stores and checks passwords: Argon2id in PHC form, with a
// bound on how many hashes run and wait at once, so that logins can neither
// starve the other requests nor exhaust memory.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// ErrBusy reports that too many hashes are waiting already; try again later.
var ErrBusy = errors.New("password: too many logins at once")

// Options sets the cost of a hash and how many may run. The zero value is the
// OWASP minimum for Argon2id: 19 MiB, two passes, one lane.
type Options struct {
	MemoryKiB uint32 // 19 MiB when zero
	Passes    uint32 // 2 when zero
	Parallel  int    // hashes at once; half the processors, at least one, when zero
	Queue     int    // callers that may wait; 64 when zero
}

// Hasher hashes and checks passwords. It may be used concurrently.
type Hasher struct {
	memory, passes uint32
	slots          chan struct{}
	waiting        atomic.Int64
	queue          int64
	dummy          string
}

const (
	saltLength = 16
	keyLength  = 32
)

// New returns a Hasher.
func New(o Options) *Hasher {
	if o.MemoryKiB == 0 {
		o.MemoryKiB = 19 << 10
	}
	if o.Passes == 0 {
		o.Passes = 2
	}
	if o.Parallel == 0 {
		o.Parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.Queue == 0 {
		o.Queue = 64
	}
	h := &Hasher{memory: o.MemoryKiB, passes: o.Passes, slots: make(chan struct{}, o.Parallel), queue: int64(o.Queue)}
	// Nobody can know this password: its key is all zeros, which is no hash of anything known.
	h.dummy = h.encode(make([]byte, saltLength), make([]byte, keyLength))
	return h
}

// acquire takes a slot; the returned function gives it back.
func (h *Hasher) acquire(ctx context.Context) (func(), error) {
	release := func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return release, nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Hash returns the PHC string of a new hash. Errors: ErrBusy, or ctx's.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	return h.encode(salt, argon2.IDKey([]byte(password), salt, h.passes, h.memory, 1, keyLength)), nil
}

func (h *Hasher) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.memory, h.passes, b64(salt), b64(key))
}

// Verify reports whether password has the stored hash. Pass "" for an account
// that does not exist: it costs the same time and is false. Errors: ErrBusy, ctx's,
// or a stored hash that cannot be read.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	unknown := stored == ""
	if unknown {
		stored = h.dummy
	}
	var version, lanes int
	var memory, passes uint32
	var encoded string
	if _, err := fmt.Sscanf(stored, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &passes, &lanes, &encoded); err != nil {
		return false, fmt.Errorf("password: stored hash: %w", err)
	}
	salt, key, err := split(encoded)
	if err != nil || version != argon2.Version || lanes < 1 || lanes > 255 {
		return false, errors.New("password: stored hash is not of a known form")
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	got := argon2.IDKey([]byte(password), salt, passes, memory, uint8(lanes), uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1 && !unknown, nil
}

func split(encoded string) (salt, key []byte, err error) {
	for i := range len(encoded) {
		if encoded[i] == '$' {
			salt, err = base64.RawStdEncoding.DecodeString(encoded[:i])
			if err == nil {
				key, err = base64.RawStdEncoding.DecodeString(encoded[i+1:])
			}
			break
		}
	}
	if len(salt) < 8 || len(key) < 16 {
		return nil, nil, errors.New("password: short salt or key")
	}
	return salt, key, err
}

// Lengths that the policy accepts, in characters and bytes.
const (
	MinLength = 10
	MaxLength = 128
)

// Check applies the policy to a new password. It returns the code and text of what
// is missing, empty when nothing is.
func Check(password string) (code, message string) {
	var lower, upper, digit bool
	n := 0
	for _, r := range password {
		n++
		switch {
		case 'a' <= r && r <= 'z':
			lower = true
		case 'A' <= r && r <= 'Z':
			upper = true
		case '0' <= r && r <= '9':
			digit = true
		}
	}
	switch {
	case n < MinLength:
		return "PASSWORD_TOO_SHORT", fmt.Sprintf("must have at least %d characters", MinLength)
	case len(password) > MaxLength:
		return "PASSWORD_TOO_LONG", fmt.Sprintf("must have at most %d bytes", MaxLength)
	case !upper:
		return "PASSWORD_MISSING_UPPERCASE", "must contain an upper-case letter"
	case !lower:
		return "PASSWORD_MISSING_LOWERCASE", "must contain a lower-case letter"
	case !digit:
		return "PASSWORD_MISSING_NUMBER", "must contain a digit"
	}
	return "", ""
}

// MinStrong is the least length of a password of staff.
const MinStrong = 12

// CheckStrong applies the policy to a new password of staff: that of Check, and
// more length and variety. It returns what is missing, empty when nothing is.
func CheckStrong(password string) (message string) {
	special := false
	for _, r := range password {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		digit := '0' <= r && r <= '9'
		special = special || !letter && !digit
	}
	if _, message := Check(password); message != "" && utf8.RuneCountInString(password) >= MinLength {
		return message
	}
	switch {
	case utf8.RuneCountInString(password) < MinStrong:
		return fmt.Sprintf("must have at least %d characters", MinStrong)
	case !special:
		return "must contain a character that is neither letter nor digit"
	}
	return ""
}
