package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrSecondFactor reports that the login of a member of staff needs their second
// factor, see StaffLogin and VerifyMfa.
var ErrSecondFactor = errors.New("the second factor is needed")

// ErrNotLoggedIn reports an operation that needs a session on a client without one.
var ErrNotLoggedIn = errors.New("this needs a login")

// renewBefore the end of an access token another one is fetched.
const renewBefore = 30 * time.Second

// session holds the tokens of one principal and renews them.
type session struct {
	staff bool

	mu      sync.Mutex
	tokens  Tokens
	expires time.Time
}

// LogIn returns a client that acts for a person.
func (c *Client) LogIn(ctx context.Context, email, password string) (*Client, error) {
	r, err := c.Login(ctx, IdentityLoginRequest{Email: email, Password: password})
	if err != nil {
		return nil, err
	}
	return c.As(r.Tokens()), nil
}

// LogInStaff returns a client that acts for a member of staff without a second
// factor. Errors: ErrSecondFactor.
func (c *Client) LogInStaff(ctx context.Context, username, password string) (*Client, error) {
	r, err := c.StaffLogin(ctx, AdminLoginRequest{Username: username, Password: password})
	if err != nil {
		return nil, err
	}
	if r.RequiresMfa {
		return nil, ErrSecondFactor
	}
	return c.AsStaff(r.Tokens()), nil
}

// As returns a client that acts for the person whose tokens these are.
func (c *Client) As(t Tokens) *Client { return c.with(t, false) }

// AsStaff returns a client that acts for the member of staff whose tokens these are.
func (c *Client) AsStaff(t Tokens) *Client { return c.with(t, true) }

func (c *Client) with(t Tokens, staff bool) *Client {
	s := &session{staff: staff}
	s.set(t, c.o.Clock())
	return &Client{o: c.o, session: s}
}

// Tokens returns the tokens of the session as they are now, to go on with them
// later. They change as the session is renewed.
func (c *Client) Tokens() (t Tokens, ok bool) {
	if c.session == nil {
		return t, false
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.tokens, true
}

// Tokens returns the tokens of a login or registration.
func (r SessionResponse) Tokens() Tokens {
	return Tokens{AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, TokenType: r.TokenType, ExpiresIn: r.ExpiresIn}
}

// Tokens returns the tokens of a login.
func (r LoginResponse) Tokens() Tokens {
	return Tokens{AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, TokenType: r.TokenType, ExpiresIn: r.ExpiresIn}
}

func (s *session) set(t Tokens, now time.Time) {
	s.tokens, s.expires = t, now.Add(time.Duration(t.ExpiresIn)*time.Second)
}

// access returns an access token that is not stale, renewing the session when the
// one it has is or will soon be expired. One renewal serves all who wait.
func (s *session) access(ctx context.Context, c *Client, stale string) (string, error) {
	if s == nil {
		return "", ErrNotLoggedIn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens.AccessToken != stale && c.o.Clock().Before(s.expires.Add(-renewBefore)) {
		return s.tokens.AccessToken, nil
	}
	renew := c.Refresh
	if s.staff {
		renew = c.StaffRefresh
	}
	t, err := renew(ctx, RefreshRequest{RefreshToken: s.tokens.RefreshToken})
	if err != nil {
		return "", err
	}
	s.set(t, c.o.Clock())
	return t.AccessToken, nil
}
