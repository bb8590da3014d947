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

// Kept are tokens with the end of the access token.
type Kept struct {
	Tokens
	Expires time.Time `json:"expires"`
}

// Keeper keeps tokens that several clients share, such as those of the processes
// of one user: a refresh token is good for one renewal. It calls renew with the
// tokens as they are while nobody else renews them, and keeps what that returns.
type Keeper func(renew func(Kept) (Kept, error)) error

// session holds the tokens of one principal and renews them.
type session struct {
	staff bool
	keep  Keeper // nil when nobody shares them

	mu   sync.Mutex
	kept Kept
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

// Resume returns a client that acts for whom the tokens are that keep keeps: for a
// person, or for a member of staff.
func (c *Client) Resume(staff bool, keep Keeper) *Client {
	return &Client{o: c.o, session: &session{staff: staff, keep: keep}}
}

func (c *Client) with(t Tokens, staff bool) *Client {
	return &Client{o: c.o, session: &session{staff: staff, kept: c.Keep(t)}}
}

// Keep returns tokens that have just arrived, with their end.
func (c *Client) Keep(t Tokens) Kept {
	return Kept{t, c.o.Clock().Add(time.Duration(t.ExpiresIn) * time.Second)}
}

// Tokens returns the tokens of the session as they are now, to go on with them
// later. They change as the session is renewed.
func (c *Client) Tokens() (t Tokens, ok bool) {
	if c.session == nil {
		return t, false
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.kept.Tokens, true
}

// Tokens returns the tokens of a login or registration.
func (r SessionResponse) Tokens() Tokens {
	return Tokens{AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, TokenType: r.TokenType, ExpiresIn: r.ExpiresIn}
}

// Tokens returns the tokens of a login.
func (r LoginResponse) Tokens() Tokens {
	return Tokens{AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, TokenType: r.TokenType, ExpiresIn: r.ExpiresIn}
}

// access returns an access token that is not stale, renewing the session when the
// one it has is or will soon be expired. One renewal serves all who wait.
func (s *session) access(ctx context.Context, c *Client, stale string) (string, error) {
	if s == nil {
		return "", ErrNotLoggedIn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	good := func(k Kept) bool {
		return k.AccessToken != "" && k.AccessToken != stale && c.o.Clock().Before(k.Expires.Add(-renewBefore))
	}
	if good(s.kept) {
		return s.kept.AccessToken, nil
	}
	renew := func(k Kept) (Kept, error) {
		s.kept = k
		if good(k) { // somebody else has renewed them
			return k, nil
		}
		refresh := c.Refresh
		if s.staff {
			refresh = c.StaffRefresh
		}
		t, err := refresh(ctx, RefreshRequest{RefreshToken: k.RefreshToken})
		if err == nil {
			s.kept = c.Keep(t)
		}
		return s.kept, err
	}
	var err error
	if s.keep != nil {
		err = s.keep(renew)
	} else {
		_, err = renew(s.kept)
	}
	return s.kept.AccessToken, err
}
