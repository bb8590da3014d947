package token

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
)

// Why a token was refused. ErrKeys means that the keys could not be read, so
// nothing is known about the token.
var (
	ErrMalformed = errors.New("token: not a valid access token")
	ErrExpired   = errors.New("token: expired")
	ErrKeys      = errors.New("token: signing keys are not available")
)

const (
	// leeway is the difference of clocks that verification tolerates.
	leeway = 10 * time.Second
	// refreshEvery bounds how often an unknown key id may cause a query.
	refreshEvery = 2 * time.Second
	// keysFresh is how soon a retired key is refused everywhere.
	keysFresh = 30 * time.Second
	maxCached = 16384
	maxToken  = 4096
)

// KeySet verifies tokens with the published keys of all signers. It may be used
// concurrently.
type KeySet struct {
	db     postgres.DB
	clock  clock.Clock
	parser *jwt.Parser

	mu     sync.RWMutex
	keys   map[string]ed25519.PublicKey
	cache  map[[32]byte]verified
	load   sync.Mutex
	loaded time.Time // when the keys were last read
	tried  time.Time // when that was last attempted
}

type verified struct {
	Claims
	kid string
}

// NewKeySet returns a set that reads the keys from db when it first needs them.
func NewKeySet(db postgres.DB, c clock.Clock) *KeySet {
	return &KeySet{
		db: db, clock: c,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(Issuer), jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(c), jwt.WithStrictDecoding()),
		cache: map[[32]byte]verified{},
	}
}

// Verify checks signature, issuer and times of an access token and returns its
// claims. Errors: ErrMalformed, ErrExpired, ErrKeys. The audience is
// the caller's to check, as is whether the session still lives.
func (k *KeySet) Verify(ctx context.Context, raw string) (Claims, error) {
	if len(raw) > maxToken {
		return Claims{}, ErrMalformed
	}
	k.refresh(ctx)
	hash := sha256.Sum256([]byte(raw))
	k.mu.RLock()
	c, ok := k.cache[hash]
	if ok {
		_, ok = k.keys[c.kid] // not retired
	}
	k.mu.RUnlock()
	if ok {
		if k.clock().After(c.Expires.Add(leeway)) {
			return Claims{}, ErrExpired
		}
		return c.Claims, nil
	}

	var w wire
	_, err := k.parser.ParseWithClaims(raw, &w, func(t *jwt.Token) (any, error) {
		c.kid, _ = t.Header["kid"].(string)
		return k.key(ctx, c.kid)
	})
	switch {
	case errors.Is(err, ErrKeys):
		return Claims{}, err
	case errors.Is(err, jwt.ErrTokenExpired):
		return Claims{}, ErrExpired
	case err != nil:
		return Claims{}, ErrMalformed
	}
	if c.Claims, err = w.claims(); err != nil {
		return Claims{}, ErrMalformed
	}
	k.remember(hash, c)
	return c.Claims, nil
}

func (w wire) claims() (Claims, error) {
	subject, err1 := uuid.Parse(w.Subject)
	session, err2 := uuid.Parse(w.SessionID)
	if err := errors.Join(err1, err2); err != nil {
		return Claims{}, err
	}
	if len(w.Audience) != 1 {
		return Claims{}, ErrMalformed
	}
	return Claims{Subject: subject, Session: session, Audience: Audience(w.Audience[0]), Expires: w.ExpiresAt.Time}, nil
}

func (k *KeySet) remember(hash [32]byte, c verified) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.cache) >= maxCached {
		clear(k.cache) // what is still in use comes back by being verified
	}
	k.cache[hash] = c
}

func (k *KeySet) key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	if key, ok := k.lookup(kid); ok {
		return key, nil
	}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	if key, ok := k.lookup(kid); ok {
		return key, nil
	}
	return nil, ErrMalformed
}

func (k *KeySet) lookup(kid string) (ed25519.PublicKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.keys[kid]
	return key, ok
}

// refresh reads keys that are no longer fresh; one caller does it for all. Should
// it fail, those that are known go on.
func (k *KeySet) refresh(ctx context.Context) {
	if !k.load.TryLock() {
		return
	}
	defer k.load.Unlock()
	if now := k.clock(); now.Sub(k.loaded) >= keysFresh && now.Sub(k.tried) >= refreshEvery {
		_ = k.read(ctx, now)
	}
}

// reload reads the published keys, at most once in refreshEvery, so that made-up
// key ids cannot turn into a load on the database.
func (k *KeySet) reload(ctx context.Context) error {
	k.load.Lock()
	defer k.load.Unlock()
	now := k.clock()
	if k.keys != nil && now.Sub(k.tried) < refreshEvery {
		return nil
	}
	return k.read(ctx, now)
}

// read is called with load held.
func (k *KeySet) read(ctx context.Context, now time.Time) error {
	k.tried = now
	rows, err := k.db.Query(ctx, `SELECT kid, public_key FROM app.token_keys WHERE retired_at IS NULL`)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKeys, err)
	}
	keys := map[string]ed25519.PublicKey{}
	var kid string
	var public []byte
	if _, err := pgx.ForEachRow(rows, []any{&kid, &public}, func() error {
		if len(public) == ed25519.PublicKeySize {
			keys[kid] = slices.Clone(public)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("%w: %w", ErrKeys, err)
	}
	k.mu.Lock()
	k.keys = keys
	k.mu.Unlock()
	k.loaded = now
	return nil
}

// JWK is one public key in the form of RFC 8037.
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

// JWKS returns the published keys, sorted by kid.
func (k *KeySet) JWKS(ctx context.Context) ([]JWK, error) {
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	out := make([]JWK, 0, len(k.keys))
	for kid, key := range k.keys {
		out = append(out, JWK{KeyType: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(key), KeyID: kid, Use: "sig", Algorithm: "EdDSA"})
	}
	slices.SortFunc(out, func(a, b JWK) int { return strings.Compare(a.KeyID, b.KeyID) })
	return out, nil
}
