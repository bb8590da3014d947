// Package sealed encrypts single fields at rest, and finds them again.
//
// A field is sealed with AES-256-GCM under the current key of a Ring and bound
// to its context, the name of the place where it is kept: moved elsewhere it
// does not open. The key's id is part of the sealed form, so keys are replaced
// without downtime: add the new key behind the current one everywhere, then put
// it first, seal again what Stale tells, then remove the old one.
//
// What has to be looked up is kept beside it as the keyed hash of an Index.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrKey reports a field that was sealed with a key that is not on the ring.
var ErrKey = errors.New("sealed: the key of this field is not on the ring")

// ErrForged reports a field that was changed or is in the wrong place.
var ErrForged = errors.New("sealed: the field was changed or belongs elsewhere")

const (
	version   = 1
	keyLength = 32
	idLength  = 4
	header    = 1 + idLength
)

type keyID [idLength]byte

// Ring holds the keys. It may be used concurrently.
type Ring struct {
	current keyID
	keys    map[keyID]cipher.AEAD
}

// NewKey returns a new key in the form that NewRing reads: an id and the key.
func NewKey() string {
	var b [idLength + keyLength]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:idLength]) + ":" + base64.StdEncoding.EncodeToString(b[idLength:])
}

// NewRing reads keys that are separated by white space: the first seals, all
// of them open.
func NewRing(keys string) (*Ring, error) {
	r := &Ring{keys: map[keyID]cipher.AEAD{}}
	for i, field := range strings.Fields(keys) {
		name, encoded, _ := strings.Cut(field, ":")
		rawID, err1 := hex.DecodeString(name)
		key, err2 := base64.StdEncoding.DecodeString(encoded)
		if err1 != nil || err2 != nil || len(rawID) != idLength || len(key) != keyLength {
			return nil, fmt.Errorf("sealed: key %d is not 8 hex digits, a colon and 32 bytes in base64", i+1)
		}
		id := keyID(rawID)
		if r.keys[id] != nil {
			return nil, fmt.Errorf("sealed: key %d has the id of another", i+1)
		}
		if err := r.add(id, key); err != nil {
			return nil, err
		}
	}
	if len(r.keys) == 0 {
		return nil, errors.New("sealed: there is no key")
	}
	return r, nil
}

// DeriveRing returns a ring with one key, made of a master secret.
func DeriveRing(master []byte) (*Ring, error) {
	key, err := hkdf.Key(sha256.New, master, nil, "gx sealed field", keyLength)
	if err != nil {
		return nil, fmt.Errorf("sealed: derive key: %w", err)
	}
	r := &Ring{keys: map[keyID]cipher.AEAD{}}
	return r, r.add(keyID{}, key)
}

// Derive adds a key, made of a master secret, that only opens: what was sealed
// before there was a ring of other keys.
func (r *Ring) Derive(master []byte) error {
	other, err := DeriveRing(master)
	if err != nil {
		return err
	}
	for id, aead := range other.keys {
		if r.keys[id] == nil {
			r.keys[id] = aead
		}
	}
	return nil
}

// add makes the first key the current one.
func (r *Ring) add(id keyID, key []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("sealed: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return fmt.Errorf("sealed: %w", err)
	}
	if len(r.keys) == 0 {
		r.current = id
	}
	r.keys[id] = aead
	return nil
}

// Seal encrypts a field for the place that context names.
func (r *Ring) Seal(context string, plain []byte) []byte {
	out := append([]byte{version}, r.current[:]...)
	return r.keys[r.current].Seal(out, nil, plain, associated(out, context))
}

// Open decrypts a field. Errors: ErrKey, ErrForged.
func (r *Ring) Open(context string, field []byte) ([]byte, error) {
	if len(field) < header || field[0] != version {
		return nil, ErrForged
	}
	aead := r.keys[keyID(field[1:header])]
	if aead == nil {
		return nil, ErrKey
	}
	plain, err := aead.Open(nil, nil, field[header:], associated(field[:header], context))
	if err != nil {
		return nil, ErrForged
	}
	return plain, nil
}

// Stale reports whether a field should be sealed again, with the current key.
func (r *Ring) Stale(field []byte) bool {
	return len(field) < header || keyID(field[1:header]) != r.current
}

// Prefix returns how every field begins that the current key has sealed.
func (r *Ring) Prefix() []byte { return append([]byte{version}, r.current[:]...) }

func associated(header []byte, context string) []byte {
	return append(append([]byte{}, header...), context...)
}

// Index makes keyed hashes: the same for the same value of the same context, and
// of no use without the key. It may be used concurrently.
type Index struct{ key []byte }

// NewIndex returns an index whose key is made of a master secret. There is no
// way to replace that secret short of hashing everything again.
func NewIndex(master []byte) (Index, error) {
	key, err := hkdf.Key(sha256.New, master, nil, "gx blind index", keyLength)
	if err != nil {
		return Index{}, fmt.Errorf("sealed: derive index key: %w", err)
	}
	return Index{key}, nil
}

// Sum returns the hash of a value.
func (x Index) Sum(context, value string) []byte {
	mac := hmac.New(sha256.New, x.key)
	mac.Write([]byte(context))
	mac.Write([]byte{0})
	mac.Write([]byte(value))
	return mac.Sum(nil)
}
