package service_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

var update = flag.Bool("update", false, "write the golden files")

// TestD04KF15AuthorisationWalk asks every route as everybody and compares who got in
// with testdata/authorisation.txt, which people review.
func TestD04KF15AuthorisationWalk(t *testing.T) {
	s := newSystem(t)
	s.open()
	own, other := s.person("Ada", "CH", gx(500)), s.person("Bob", "CH", gx(500))
	ownThings, otherThings := s.things(own), s.things(other)

	revoked := func(a token.Audience, id uuid.UUID) string {
		session, raw := s.openSession(a, id)
		s.exec(`UPDATE app.sessions SET revoked_at = now() WHERE session_id = $1`, session)
		return raw
	}
	expired := func(a token.Audience, id uuid.UUID) string {
		s.advance(-time.Hour)
		defer s.advance(time.Hour)
		return s.session(a, id)
	}
	type caller struct {
		name   string
		bearer func() string
		other  bool // asks for somebody else's object
		role   door.Role
	}
	ownerID, _ := s.staff(door.SuperOwner)
	callers := []caller{
		{"anonymous", func() string { return "" }, false, ""},
		{"customer", func() string { return s.session(token.Customers, own.profile) }, false, ""},
		{"customer-other", func() string { return s.session(token.Customers, own.profile) }, true, ""},
		{"customer-expired", func() string { return expired(token.Customers, own.profile) }, false, ""},
		{"customer-revoked", func() string { return revoked(token.Customers, own.profile) }, false, ""},
		{"staff-expired", func() string { return expired(token.Staff, ownerID) }, false, ""},
		{"staff-revoked", func() string { return revoked(token.Staff, ownerID) }, false, ""},
		{"customer-as-staff", func() string { return s.session(token.Staff, own.profile) }, false, ""},
		{"staff-as-customer", func() string { return s.session(token.Customers, ownerID) }, false, ""},
		{"refresh-token", func() string { return string(token.NewRefresh()) }, false, ""},
	}
	for _, role := range door.Roles {
		id, _ := s.staff(role)
		callers = append(callers, caller{string(role), func() string { return s.session(token.Staff, id) }, false, role})
	}

	lines := map[string]bool{}
	for _, d := range service.Doors {
		for _, r := range s.doors[d.Name].Routes {
			var in []string
			for _, c := range callers {
				if c.other && r.Policy.Object == door.NoObject {
					continue
				}
				things := ownThings
				if c.other {
					things = otherThings
				}
				path := things.Replace(r.Path)
				a := s.call(d.Name, r.Method, path, c.bearer(), "", "Idempotency-Key", key())
				switch {
				case a.status == 401 && r.Policy.Public: // bad credentials in an empty body
					t.Errorf("%s %s answers 401", r.Method, r.URL())
				case a.status == 401, a.status == 403, a.code() == "not_found":
				case c.role != "" && (!c.role.May(r.Policy.Staff) || r.Policy.FourEyes) && r.Policy.Object == door.NoObject && !r.Policy.Public && r.Policy.Staff != door.SystemBootstrap:
					in = append(in, c.name+"*") // only together with a second person
				default:
					in = append(in, c.name)
				}
			}
			who := strings.Join(in, " ")
			if r.Policy.Public && len(in) == len(callers)-1 {
				who = "everybody"
			}
			lines[fmt.Sprintf("%-6s %-42s %s", r.Method, r.URL(), who)] = true
		}
	}
	var got []string
	for l := range lines {
		got = append(got, l)
	}
	slices.SortFunc(got, func(a, b string) int { return strings.Compare(a[7:]+a, b[7:]+b) })
	text := strings.Join(got, "\n") + "\n"
	golden := filepath.Join("testdata", "authorisation.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("who may do what has changed (-want +got); review it, then run with -update:\n%s", diff)
	}
}

// things makes a person own one of each kind of thing, and returns what puts their
// ids into the path of a route.
func (s *system) things(p person) *strings.Replacer {
	s.t.Helper()
	org := s.organization("of-"+p.profile.String(), account.Business, status.OrganizationActive, p)
	return strings.NewReplacer("{profileId}", p.profile.String(), "{accountId}", p.profile.String(), "{userId}", p.profile.String(), "{walletId}", p.gx,
		"{commandId}", s.command("customer:"+p.profile.String()), "{loanId}", s.loan(p, status.LoanPending), "{orgId}", org,
		"{relationshipId}", s.tie(p, trust.FriendOf, person{gx: "LK FF3 ABL912 0WLUY 6025"}, status.RelationshipConfirmed),
		"{offTxId}", s.entry(p.gx, 1, "SENT", account.LoanPool, 1), "{pool}", "GX", "{recoveryId}", s.lost(p, p.gx, status.RecoveryPending),
		"{pendingTxId}", s.multiSig(org, account.LoanPool), "{proposalId}", s.proposal(p), "{countryCode}", "CH", "{paramId}", "fee.b2b.local")
}

// command stores a command of a principal.
func (s *system) command(principal string) string {
	s.t.Helper()
	id := uuid.NewString()
	s.exec(`INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, next_at, created_at)
		VALUES ($1::uuid, 'UNFREEZE_WALLET', '{}', $2, 'test', $1::text, $3, $3)`, id, principal, s.clock())
	return id
}

func TestD01RouteWithoutPolicyStopsTheStart(t *testing.T) {
	s := newSystem(t)
	for name, p := range map[string]door.Policy{
		"none":             {},
		"public and staff": {Public: true, Staff: door.UserList},
		"unknown":          {Staff: 200},
		"object not named": {Object: door.Profile},
	} {
		_, err := door.New("test", s.deps, func(d *door.Door) {
			door.Register(d, door.Route{Method: "GET", Path: "/x", ID: "x", Policy: p},
				func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
		})
		if err == nil || !strings.Contains(err.Error(), "GET /api/v1/x") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
