// Package token issues and verifies access tokens: JSON Web Tokens signed with
// Ed25519, bound to one audience and one session, valid for AccessLifetime
// (api.md 1.4). Refresh tokens are opaque random strings, see NewRefresh.
package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/clock"
)

// Issuer is the iss claim of every token.
const Issuer = "gx-identity-service"

// AccessLifetime is how long an access token is accepted.
const AccessLifetime = 15 * time.Minute

// Audience separates the tokens of customers from those of staff.
type Audience string

const (
	Customers Audience = "gx-api"
	Staff     Audience = "gx-admin"
)

// Claims is what an access token says. It names no person beyond opaque ids.
type Claims struct {
	Subject  uuid.UUID // profile or staff id
	Session  uuid.UUID
	Audience Audience
	Expires  time.Time
}

// wire is the JSON of Claims.
type wire struct {
	jwt.RegisteredClaims
	SessionID string `json:"sid"`
	ProfileID string `json:"profileId,omitempty"`
	AuthTime  int64  `json:"auth_time,omitempty"`
}

// Signer signs tokens with the first of its keys; the others are only published.
// It may be used concurrently.
//
// A key is replaced without downtime in three steps, each a rolling restart:
// the next key is added behind the current one, so that everybody learns it;
// then it is put first; AccessLifetime later the previous one is removed and
// retired, see Retire.
type Signer struct {
	keys  []ed25519.PrivateKey
	kid   string
	clock clock.Clock
}

// NewSigner reads Ed25519 private keys in PKCS#8 PEM, one block each.
func NewSigner(pkcs8 []byte, c clock.Clock) (*Signer, error) {
	s := &Signer{clock: c}
	for {
		block, rest := pem.Decode(pkcs8)
		if block == nil {
			break
		}
		pkcs8 = rest
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("token: signing key: %w", err)
		}
		key, ok := parsed.(ed25519.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("token: signing key is %T, want Ed25519", parsed)
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return nil, errors.New("token: signing key is not PEM")
	}
	s.kid = keyID(public(s.keys[0]))
	return s, nil
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// GenerateKey returns a new signing key in PKCS#8 PEM.
func GenerateKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("token: generate key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("token: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// keyID derives the kid from the key, so that it can't name another one.
func keyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Sign returns an access token for a subject of an audience in a session.
func (s *Signer) Sign(subject, session uuid.UUID, audience Audience) (string, error) {
	now := s.clock()
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("token: id: %w", err)
	}
	w := wire{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Subject: subject.String(), Audience: jwt.ClaimStrings{string(audience)},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(AccessLifetime)), ID: id.String(),
		},
		SessionID: session.String(),
		AuthTime:  now.Unix(),
	}
	if audience == Customers {
		w.ProfileID = subject.String()
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, w)
	t.Header["kid"] = s.kid
	signed, err := t.SignedString(s.keys[0])
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	return signed, nil
}

// Refresh is an opaque refresh token; only its Hash is ever stored.
type Refresh string

const refreshPrefix = "gxr_"

// NewRefresh returns 256 random bits.
func NewRefresh() Refresh {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return Refresh(refreshPrefix + base64.RawURLEncoding.EncodeToString(b[:]))
}

// Hash returns the SHA-256 of the token.
func (r Refresh) Hash() []byte {
	sum := sha256.Sum256([]byte(r))
	return sum[:]
}
