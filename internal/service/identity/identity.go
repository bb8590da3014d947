// Package identity is the door of people: registration, login and sessions,
// their own profile, and the evidence of who they are (api.md 2.1, 2.1c).
package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

type identity struct{ *door.Door }

// Register adds the routes of the identity service.
func Register(d *door.Door) {
	s := identity{d}
	registerRelationships(d)
	registerRecovery(d)
	public := door.Policy{Public: true}
	own := door.Policy{Object: door.Profile}

	door.Register(d, door.Route{Method: http.MethodPost, Path: "/auth/register", ID: "register", Summary: "Register a person",
		Policy: public, Limit: door.ClassRegister, Status: http.StatusCreated}, s.register)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/auth/login", ID: "login", Summary: "Log in with e-mail and password",
		Policy: public, Limit: door.ClassLoginBy}, s.login)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/auth/refresh", ID: "refresh", Summary: "Exchange a refresh token for new tokens",
		Policy: public}, s.refresh)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/auth/logout", ID: "logout", Summary: "End the session of a refresh token",
		Policy: public}, s.logout)
	customer := door.Policy{Customer: true}
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/auth/sessions", ID: "listSessions", Summary: "Your sessions",
		Policy: customer}, s.sessions)
	door.Register(d, door.Route{Method: http.MethodDelete, Path: "/auth/sessions/{sessionId}", ID: "revokeSession", Summary: "End another session of yours",
		Policy: customer, Idempotency: door.KeyAccepted}, s.revokeSession)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/auth/logout-all", ID: "logoutAll", Summary: "End your other sessions",
		Policy: customer, Idempotency: door.KeyAccepted}, s.logoutAll)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/auth/password/change", ID: "changePassword", Summary: "Change your password",
		Policy: customer, Idempotency: door.KeyAccepted}, s.changePassword)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "//.well-known/jwks.json", ID: "jwks", Summary: "Keys that verify access tokens",
		Policy: public, Cache: door.CachePublic(5 * time.Minute)}, s.jwks)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/countries", ID: "listCountries", Summary: "Every country",
		Policy: public, Cache: door.CachePublic(time.Hour)}, s.countries)

	door.Register(d, door.Route{Method: http.MethodGet, Path: "/users/me", ID: "getMe", Summary: "Your profile",
		Policy: door.Policy{Customer: true}, Cache: door.CachePrivate}, s.me)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/users/me/export", ID: "exportMe", Summary: "Everything that is kept about you",
		Policy: customer, Limit: door.ClassExport}, s.export)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/users/me/erasure", ID: "eraseMe", Summary: "Close your account and erase everything about you",
		Policy: customer, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.erase)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/users/lookup", ID: "lookupRecipient", Summary: "Whose an address is, before you pay to it",
		Policy: customer, Limit: door.ClassLookup}, s.lookup)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/users/{profileId}", ID: "getUser", Summary: "A profile",
		Policy: door.Policy{Object: door.Profile, Staff: door.UserView}, Cache: door.CachePrivate}, s.user)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/users", ID: "createUser", Summary: "Register a person, who then logs in",
		Policy: public, Limit: door.ClassRegister, Status: http.StatusCreated}, s.create)
	door.Register(d, door.Route{Method: http.MethodPatch, Path: "/users/{profileId}", ID: "changeUser", Summary: "Change your profile",
		Policy: own, Idempotency: door.KeyAccepted}, s.change)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/users/{profileId}/kyc", ID: "submitKyc", Summary: "Submit evidence of your identity",
		Policy: own, Limit: door.ClassEvidence, Idempotency: door.KeyAccepted, Status: http.StatusCreated}, s.submitKYC)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/users/{profileId}/kyc", ID: "getKyc", Summary: "Your latest evidence",
		Policy: door.Policy{Object: door.Profile, Staff: door.UserView}, Cache: door.CachePrivate}, s.kyc)
}

type jwksOutput struct {
	Body struct {
		Keys []token.JWK `json:"keys"`
	}
}

func (s identity) jwks(ctx context.Context, _ *struct{}) (*jwksOutput, error) {
	keys, err := s.Keys.JWKS(ctx)
	var out jwksOutput
	out.Body.Keys = keys
	return &out, err
}

// Country is a country in a list to choose from.
type Country struct {
	CountryCode string `json:"countryCode" example:"CH"`
	CountryName string `json:"countryName"`
	Region      string `json:"region"`
}

type countriesOutput struct {
	Body struct {
		Countries []Country `json:"countries"`
	}
}

func (s identity) countries(context.Context, *struct{}) (*countriesOutput, error) {
	var out countriesOutput
	for _, c := range people.Countries {
		out.Body.Countries = append(out.Body.Countries, Country{c.Code, c.Name, c.Region})
	}
	slices.SortFunc(out.Body.Countries, func(a, b Country) int { return strings.Compare(a.CountryCode, b.CountryCode) })
	return &out, nil
}
